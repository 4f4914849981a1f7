"""LOGOUT (RFC 3501 §6.1.3)."""

from services.imap.protocol.commands.logout import Logout
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Logout) -> None:
    session.untagged(b"BYE Logging out")
    session.tagged(b"OK", "LOGOUT completed")
    session.defer()
    session.end()
