"""FETCH (RFC 3501 §6.4.5): from the session's view, from lists of the store, or from bodies.

Flags alone need no call. Lists come in batches that are rendered whole. With
sections of bodies see `services/imap/fetch_bodies.py`. Of messages that others
have expunged nothing is told (RFC 2180 §4.1.2).
"""

from collections.abc import Sequence

import numpy as np

from buuta.v1.mailbox_pb2 import SyncMailboxRequest, SyncMailboxResponse
from buuta.v1.message_pb2 import FetchMessagesRequest, HeaderSelection
from services.imap.columns import packed, uids_of
from services.imap.expunged import left_out
from services.imap.fetch_bodies import fetch_bodies
from services.imap.fetch_columns import IN_COLUMNS, IN_VIEW, FetchColumns
from services.imap.protocol.commands.fetch import Fetch, Item
from services.imap.protocol.fetch_response import Layout
from services.imap.protocol.flags import SEEN
from services.imap.protocol.section import Section
from services.imap.session import ImapSession
from services.imap.view import NO_UIDS, Uids

VIEW_BATCH = 4096
# Messages that one call asks for: its request stays well below gRPC's limit of 4 MiB.
CALL = 65_536


async def perform(session: ImapSession, command: Fetch) -> None:
    if b"MODSEQ" in command.items:
        session.enable_condstore()
    await session.refresh()
    if session.closing:
        return
    uids = session.opened.view.resolve(command.messages, command.uid)
    if command.changed_since is not None:
        uids = await _changed(session, uids, command.changed_since)
    told = await _fetch(session, command.items, uids) if len(uids) else 0
    if told < len(uids):
        left_out(session, command.uid)


async def _changed(session: ImapSession, uids: Uids, since: int) -> Uids:
    """Those with a higher modseq (RFC 7162 §3.1.4.1); all, when what had that number was lost."""
    if not len(uids):
        return NO_UIDS
    answer = await _differences(session, since, NO_UIDS)
    if answer.full and since <= answer.seq:  # perhaps only older than what is known without our UIDs
        answer = await _differences(session, since, session.opened.view.uids)
    return np.intersect1d(uids_of(answer.changed.uids), uids, assume_unique=True)


async def _differences(session: ImapSession, since: int, known: Uids) -> SyncMailboxResponse:
    selected = session.opened
    request = SyncMailboxRequest(
        account=session.account,
        mailbox=selected.mailbox_id,
        uidvalidity=selected.uidvalidity,
        since_seq=since,
        known_uids=packed(known),
    )
    answer: SyncMailboxResponse = await session.client.mailboxes.SyncMailbox(request, session=session.store)
    return answer


async def _fetch(session: ImapSession, items: Sequence[Item], uids: Uids) -> int:
    """Answers; returns of how many messages."""
    sections = [item for item in items if isinstance(item, Section)]
    marks = _marks_seen(session, sections, uids)
    if marks or not all(section.lists_fields for section in sections):
        return await fetch_bodies(session, items, uids, marks)
    if IN_VIEW.issuperset(items):
        return await _from_view(session, items, uids)
    told = 0
    for start in range(0, len(uids), CALL):
        told += await _from_lists(session, items, uids[start : start + CALL])
    return told


def _marks_seen(session: ImapSession, sections: Sequence[Section], uids: Uids) -> bool:
    """Whether some message is to become \\Seen: not in EXAMINE (RFC 3501 §6.3.2)."""
    selected = session.opened
    if selected.read_only or all(section.peek for section in sections):
        return False
    return bool((selected.view.flags_of(uids) & np.uint8(SEEN) == 0).any())


async def _from_view(session: ImapSession, items: Sequence[Item], uids: Uids) -> int:
    layout, columns = Layout(items), FetchColumns(session, items)
    for start in range(0, len(uids), VIEW_BATCH):
        batch = columns.from_view(uids[start : start + VIEW_BATCH])
        session.send(b"".join(layout.render(batch)))
        await session.flush_if_large()
    return len(uids)


async def _from_lists(session: ImapSession, items: Sequence[Item], uids: Uids) -> int:
    layout, columns = Layout(items), FetchColumns(session, items)
    told = 0
    request = lists_request(session, items, uids)
    async for answer in session.client.messages.FetchMessages(request, session=session.store):
        lines = layout.render(await columns.from_answer(answer))
        session.send(b"".join(lines))
        told += len(lines)
        await session.flush_if_large()
    return told


def lists_request(session: ImapSession, items: Sequence[Item], uids: Uids) -> FetchMessagesRequest:
    """What FetchMessages has of these items, the sections among them being header fields."""
    return FetchMessagesRequest(
        account=session.account,
        mailbox=session.opened.mailbox_id,
        uids=packed(uids),
        columns=not IN_COLUMNS.isdisjoint(items),
        envelopes=b"ENVELOPE" in items,
        body_structures=b"BODYSTRUCTURE" in items or b"BODY" in items,
        headers=[_selection(item) for item in items if isinstance(item, Section)],
    )


def _selection(section: Section) -> HeaderSelection:
    selection = HeaderSelection(fields=[name.decode("ascii") for name in section.fields])
    if section.kind == b"HEADER.FIELDS.NOT":
        setattr(selection, "except", True)  # a word of Python
    return selection
