"""SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2): one read of what changed opens the view."""

import numpy as np

from buuta.v1.mailbox_pb2 import SyncMailboxRequest, SyncMailboxResponse
from services.common.errors import Refused
from services.imap.protocol.commands.select import Select
from services.imap.protocol.flags import SEEN, SYSTEM_NAMES
from services.imap.session import ImapSession, Selected
from services.imap.snapshots import Snapshot
from services.imap.view import View


async def perform(session: ImapSession, command: Select) -> None:
    if session.selected is not None:
        session.unselect()  # also when this fails (RFC 3501 §6.3.1)
        session.untagged(b"OK [CLOSED] What follows is of another mailbox")  # RFC 7162 §3.2.11
    if command.condstore:
        session.enable_condstore()
    session.subscribe()
    known = session.service.snapshots.get(session.account, command.mailbox)
    request = SyncMailboxRequest(
        account=session.account,
        name=command.mailbox,
        claim_recent=not command.read_only,
        uidvalidity=known.uidvalidity if known else 0,
        incarnation=known.incarnation if known else b"",
        since_seq=known.seq if known else 0,
    )
    answer: SyncMailboxResponse = await session.client.mailboxes.SyncMailbox(request, session=session.store)
    mailbox = answer.mailbox
    if mailbox.noselect or not mailbox.id:
        raise Refused("MAILBOX_NOT_FOUND", "This name holds no messages")
    view = View(session.account, mailbox.id)
    if known is not None and not answer.full:
        view.resume(known.uids, known.flags)
    view.apply(answer)
    view.opened()
    snapshot = Snapshot(mailbox.uidvalidity, view.seq, view.incarnation, view.uids, view.flags)
    session.service.snapshots.keep(session.account, command.mailbox, snapshot)
    session.select(Selected(mailbox.id, mailbox.name, mailbox.uidvalidity, command.read_only, view))
    _describe(session, view, answer, command.read_only)
    access = "READ-ONLY" if command.read_only else "READ-WRITE"
    session.ok(f"{session.command_name.decode()} completed", access.encode())


def _describe(session: ImapSession, view: View, answer: SyncMailboxResponse, read_only: bool) -> None:
    """The untagged responses that RFC 3501 §6.3.1 requires, and HIGHESTMODSEQ (RFC 7162 §3.1.2.1)."""
    permanent = b"" if read_only else b" ".join((SYSTEM_NAMES, *view.keywords))
    if not read_only and not answer.mailbox.keywords_full:
        permanent += b" \\*"
    unseen = b""
    if len(view.uids):
        seen = view.flags & np.uint8(SEEN)
        first = int(seen.argmin())
        if not seen[first]:
            unseen = b"* OK [UNSEEN %d] First message that is not seen\r\n" % (first + 1)
    session.send(
        b"%b* OK [PERMANENTFLAGS (%b)] Flags that can be kept\r\n* %d EXISTS\r\n* %d RECENT\r\n%b"
        b"* OK [UIDVALIDITY %d] UIDs are valid\r\n* OK [UIDNEXT %d] Predicted next UID\r\n"
        b"* OK [HIGHESTMODSEQ %d] Highest\r\n"
        % (
            view.flags_line(),
            permanent,
            len(view.uids),
            len(view.recent),
            unseen,
            answer.mailbox.uidvalidity,
            answer.mailbox.uidnext,
            view.highest_modseq,
        )
    )
