"""DELETE (RFC 3501 §6.3.4)."""

from buuta.v1.mailbox_pb2 import DeleteMailboxRequest, GetMailboxRequest
from services.common.errors import Refused, Unavailable
from services.imap.protocol.commands.delete import Delete
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Delete) -> None:
    request = DeleteMailboxRequest(account=session.account, name=command.mailbox)
    await session.client.mailboxes.DeleteMailbox(request, session=session.store)
    if session.selected is not None and await _is_gone(session, session.selected.mailbox_id):
        session.unselect()


async def _is_gone(session: ImapSession, mailbox: int) -> bool:
    """By id: other sessions may have given the name to another mailbox, or this one another name."""
    request = GetMailboxRequest(account=session.account, mailbox=mailbox)
    try:
        await session.client.mailboxes.GetMailbox(request, session=session.store)
    except Refused as fault:
        return fault.reason == "MAILBOX_NOT_FOUND"
    except Unavailable:
        return False  # if it is, the next command finds out (`ImapSession.sync`)
    return False
