"""UNSELECT (RFC 3691): leave the mailbox as it is."""

from services.imap.protocol.commands.unselect import Unselect
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Unselect) -> None:
    session.unselect()
