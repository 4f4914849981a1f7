"""MOVE (RFC 6851): COPYUID comes untagged and first, so that EXPUNGE does not outrun it (§4.3)."""

from buuta.v1.message_pb2 import MoveMessagesRequest, MoveMessagesResponse
from services.imap.columns import packed, uids_of
from services.imap.expunged import left_out
from services.imap.handlers.copy import copyuid
from services.imap.protocol.commands.move import Move
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Move) -> None:
    session.require_writable()
    selected = session.opened
    uids = selected.view.resolve(command.messages, command.uid)
    if not len(uids):
        return
    request = MoveMessagesRequest(
        account=session.account,
        mailbox=selected.mailbox_id,
        uids=packed(uids),
        destination=command.mailbox,
    )
    answer: MoveMessagesResponse = await session.client.messages.MoveMessages(request, session=session.store)
    code = copyuid(answer)
    if not code:
        left_out(session, command.uid)
        return
    session.untagged(b"OK [%b] Moved" % code)
    selected.view.learn_expunged(uids_of(answer.source_uids))
    if answer.destination == selected.mailbox_id:
        session.expect_changes()
