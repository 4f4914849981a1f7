"""UNSUBSCRIBE (RFC 3501 §6.3.7)."""

from buuta.v1.mailbox_pb2 import SubscribeMailboxRequest
from services.imap.protocol.commands.unsubscribe import Unsubscribe
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Unsubscribe) -> None:
    request = SubscribeMailboxRequest(account=session.account, name=command.mailbox, subscribed=False)
    await session.client.mailboxes.SubscribeMailbox(request, session=session.store)
