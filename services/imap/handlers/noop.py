"""NOOP (RFC 3501 §6.1.2): asks the store, so that it also tells what no hint has told yet."""

from services.imap.protocol.commands.noop import Noop
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Noop) -> None:
    if session.selected is not None:
        await session.sync()
