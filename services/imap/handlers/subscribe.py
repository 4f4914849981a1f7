"""SUBSCRIBE (RFC 3501 §6.3.6)."""

from buuta.v1.mailbox_pb2 import SubscribeMailboxRequest
from services.imap.protocol.commands.subscribe import Subscribe
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Subscribe) -> None:
    request = SubscribeMailboxRequest(account=session.account, name=command.mailbox, subscribed=True)
    await session.client.mailboxes.SubscribeMailbox(request, session=session.store)
