"""EHLO and HELO (RFC 5321 §4.1.1.1): a name, and no transaction any more."""

from services.smtp.protocol.commands import Ehlo, Helo
from services.smtp.protocol.replies import lines, reply
from services.smtp.protocol.state import Step
from services.smtp.session import SmtpSession


async def perform(session: SmtpSession, command: Ehlo) -> None:
    await _hello(session, command)
    service = session.service
    offered = [
        f"{service.hostname} greets {command.name}",
        "PIPELINING",
        f"SIZE {service.max_message_size}",
        "8BITMIME",
        "ENHANCEDSTATUSCODES",
    ]
    if service.tls is not None and not session.stream.secure:
        offered.append("STARTTLS")
    if session.login_allowed and session.login is None:
        offered.append("AUTH PLAIN LOGIN")
    session.send(lines(250, offered))


async def helo(session: SmtpSession, command: Helo) -> None:
    await _hello(session, command)
    session.send(reply(250, "", session.service.hostname))


async def _hello(session: SmtpSession, command: Ehlo | Helo) -> None:
    await session.reset()
    session.engine.move(Step.HELLO)
    session.hello = command.name
    session.extended = isinstance(command, Ehlo)
