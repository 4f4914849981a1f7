"""CHECK (RFC 3501 §6.4.1): there is nothing to write down; like NOOP."""

from services.imap.protocol.commands.check import Check
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Check) -> None:
    await session.sync()
