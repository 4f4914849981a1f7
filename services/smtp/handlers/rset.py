"""RSET (RFC 5321 §4.1.1.5)."""

from services.smtp.protocol.commands import Rset
from services.smtp.protocol.replies import reply
from services.smtp.session import SmtpSession


async def perform(session: SmtpSession, command: Rset) -> None:
    await session.reset()
    session.send(reply(250, "2.0.0", "Ok"))
