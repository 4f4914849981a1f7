"""RENAME (RFC 3501 §6.3.5); of INBOX it moves the messages out (RFC 9051 §6.3.6)."""

from buuta.v1.mailbox_pb2 import RenameMailboxRequest
from services.imap.protocol.commands.rename import Rename
from services.imap.session import INBOX, ImapSession


async def perform(session: ImapSession, command: Rename) -> None:
    request = RenameMailboxRequest(account=session.account, name=command.mailbox, new_name=command.new_name)
    await session.client.mailboxes.RenameMailbox(request, session=session.store)
    if session.selected is not None and session.selected.name == INBOX == command.mailbox:
        # Whoever has INBOX open has to open it again (`ImapSession.sync`); here behind the reply.
        session.tagged(b"OK", "RENAME completed")
        session.defer()
        session.end(b"INBOX has been renamed")
