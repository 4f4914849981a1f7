"""DELETE (RFC 3501 §6.3.4)."""

from buuta.v1.mailbox_pb2 import DeleteMailboxRequest
from services.imap.protocol.commands.delete import Delete
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Delete) -> None:
    request = DeleteMailboxRequest(account=session.account, name=command.mailbox)
    await session.client.mailboxes.DeleteMailbox(request, session=session.store)
    if session.selected is not None and session.selected.name == command.mailbox:
        session.unselect()
