"""HELP (RFC 5321 §4.1.1.8)."""

from services.smtp.protocol.commands import COMMANDS, Help
from services.smtp.protocol.replies import reply
from services.smtp.session import SmtpSession


async def perform(session: SmtpSession, command: Help) -> None:
    session.send(reply(214, "2.0.0", "Commands: " + b" ".join(COMMANDS).decode()))
