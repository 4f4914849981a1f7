"""PASS string (RFC 1939 §7): logs in and locks the maildrop."""

from services.pop3.login import log_in
from services.pop3.protocol.commands import Pass
from services.pop3.session import Pop3Session


async def perform(session: Pop3Session, command: Pass) -> None:
    await log_in(session, session.username, command.password)
