"""NOOP (RFC 5321 §4.1.1.9)."""

from services.smtp.protocol.commands import Noop
from services.smtp.protocol.replies import reply
from services.smtp.session import SmtpSession


async def perform(session: SmtpSession, command: Noop) -> None:
    session.send(reply(250, "2.0.0", "Ok"))
