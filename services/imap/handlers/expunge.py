"""EXPUNGE (RFC 3501 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1)."""

from buuta.v1.message_pb2 import ExpungeMessagesRequest, ExpungeMessagesResponse
from services.imap.columns import packed, uids_of
from services.imap.protocol.commands.expunge import Expunge
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Expunge) -> None:
    session.require_writable()
    selected = session.opened
    request = ExpungeMessagesRequest(account=session.account, mailbox=selected.mailbox_id)
    if command.messages is not None:
        uids = selected.view.resolve(command.messages, uid=True)
        if not len(uids):
            return  # no UIDs in the request would mean all
        request.uids = packed(uids)
    answer: ExpungeMessagesResponse = await session.client.messages.ExpungeMessages(
        request, session=session.store
    )
    selected.view.learn_expunged(uids_of(answer.uids))
