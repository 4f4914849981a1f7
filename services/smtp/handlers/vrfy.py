"""VRFY (RFC 5321 §3.5.3): nobody learns here who our users are."""

from services.smtp.protocol.commands import Vrfy
from services.smtp.protocol.replies import reply
from services.smtp.session import SmtpSession


async def perform(session: SmtpSession, command: Vrfy) -> None:
    session.send(reply(252, "2.1.5", "Cannot VRFY a user; send the message and see"))
