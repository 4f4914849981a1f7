"""CAPABILITY (RFC 3501 §6.1.1)."""

from services.imap.protocol.commands.capability import Capability
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Capability) -> None:
    session.untagged(b"CAPABILITY " + session.capabilities())
