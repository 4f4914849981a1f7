"""QUIT (RFC 5321 §4.1.1.10)."""

from services.smtp.protocol.commands import Quit
from services.smtp.protocol.replies import reply
from services.smtp.session import SmtpSession


async def perform(session: SmtpSession, command: Quit) -> None:
    session.send(reply(221, "2.0.0", f"{session.service.hostname} closing connection"))
    session.end()
