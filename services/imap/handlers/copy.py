"""COPY (RFC 3501 §6.4.7) and its answer COPYUID (RFC 4315 §3)."""

from buuta.v1.message_pb2 import (
    CopyMessagesRequest,
    CopyMessagesResponse,
    MoveMessagesResponse,
)
from services.imap.columns import packed, uids_of
from services.imap.expunged import left_out
from services.imap.protocol import sequence_set
from services.imap.protocol.commands.copy import Copy
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Copy) -> None:
    selected = session.opened
    uids = selected.view.resolve(command.messages, command.uid)
    if not len(uids):
        return
    request = CopyMessagesRequest(
        account=session.account,
        mailbox=selected.mailbox_id,
        uids=packed(uids),
        destination=command.mailbox,
    )
    answer: CopyMessagesResponse = await session.client.messages.CopyMessages(request, session=session.store)
    if answer.destination == selected.mailbox_id:
        session.expect_changes()  # the copies are told at once
    code = copyuid(answer)
    if not code:
        left_out(session, command.uid)
        return
    session.ok(f"{session.command_name.decode()} completed", code)


def copyuid(answer: CopyMessagesResponse | MoveMessagesResponse) -> bytes:
    """Which message got which UID; empty when none was copied (RFC 4315 §3)."""
    if not answer.source_uids:
        return b""
    return b"COPYUID %d %b %b" % (
        answer.uidvalidity,
        sequence_set.render(uids_of(answer.source_uids)),
        sequence_set.render(uids_of(answer.destination_uids)),
    )
