"""STORE (RFC 3501 §6.4.6, RFC 7162 §3.1.3): one call, and what the client is told of its outcome.

Without .SILENT every message's flags; with it only what the client cannot work
out by itself: MODSEQ for a client that wants it, and flags that another session
has changed too.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from buuta.v1.message_pb2 import UpdateFlagsRequest, UpdateFlagsResponse
from services.imap.columns import Numbers, numbers_of, packed, uids_of
from services.imap.expunged import left_out
from services.imap.keywords import tell_keywords
from services.imap.protocol import sequence_set
from services.imap.protocol.commands.store import Operation, Store
from services.imap.protocol.fetch_response import NUMBER, Layout
from services.imap.protocol.flag_texts import FlagTexts
from services.imap.protocol.flags import FIRST_KEYWORD
from services.imap.session import ImapSession
from services.imap.view import Uids, View

OPERATIONS = {
    Operation.ADD: UpdateFlagsRequest.OPERATION_ADD,
    Operation.REMOVE: UpdateFlagsRequest.OPERATION_REMOVE,
    Operation.REPLACE: UpdateFlagsRequest.OPERATION_REPLACE,
}


async def perform(session: ImapSession, command: Store) -> None:
    session.require_writable()
    if command.unchanged_since is not None:
        session.enable_condstore()
    view = session.opened.view
    uids = view.resolve(command.messages, command.uid)
    if not len(uids):
        return
    answer: UpdateFlagsResponse = await session.client.messages.UpdateFlags(
        _request(session, command, uids), session=session.store
    )
    uids = uids_of(answer.messages.uids)
    before, untold = view.flags_of(uids).astype("<u8"), view.untold(uids)
    view.learn_flags(answer.messages, answer.keywords)
    tell_keywords(session)
    foreseen = _foreseen(command, view, before) == numbers_of(answer.messages.flags)
    _tell(session, command, answer, news=untold | ~foreseen)
    if answer.modified:
        modified = uids_of(answer.modified)
        named = modified if command.uid else view.seqnos(modified)
        session.ok("Some messages had changed", b"MODIFIED " + sequence_set.render(named))
    elif answer.missing:
        left_out(session, command.uid, command.silent)


def _request(session: ImapSession, command: Store, uids: Uids) -> UpdateFlagsRequest:
    return UpdateFlagsRequest(
        account=session.account,
        mailbox=session.opened.mailbox_id,
        uids=packed(uids),
        operation=OPERATIONS[command.operation],
        flags=command.flags,
        keywords=command.keywords,
        unchanged_since=command.unchanged_since,
    )


def _tell(session: ImapSession, command: Store, answer: UpdateFlagsResponse, news: NDArray[np.bool_]) -> None:
    """`news`: which messages' flags the client cannot work out."""
    view, uids, flags = session.opened.view, uids_of(answer.messages.uids), numbers_of(answer.messages.flags)
    told_fully = news if command.silent else np.ones(len(uids), dtype=bool)
    extra = [b"MODSEQ"] if session.condstore_enabled else []
    head = [b"UID"] if command.uid else []
    batch: dict[bytes, NDArray[Any]] = {
        NUMBER: view.seqnos(uids),
        b"UID": uids,
        b"MODSEQ": numbers_of(answer.messages.modseqs),
    }
    texts = FlagTexts(view.keywords)

    def lines(rows: NDArray[np.bool_], items: list[bytes]) -> list[bytes]:
        part: dict[bytes, list[int] | list[bytes]] = {
            key: column[rows].tolist() for key, column in batch.items()
        }
        part[b"FLAGS"] = texts.column(flags[rows], view.is_recent(uids[rows]))
        return Layout(items).render(part)

    session.send(b"".join(lines(told_fully, [*head, b"FLAGS", *extra])))
    if extra and not told_fully.all():
        session.send(b"".join(lines(~told_fully, [*head, *extra])))


def _foreseen(command: Store, view: View, before: Numbers) -> Numbers:
    """The flags that a client works out that knows `before`."""
    bits = command.flags
    places = {name.lower(): place for place, name in enumerate(view.keywords)}
    for keyword in command.keywords:
        place = places.get(keyword.lower().encode())
        if place is not None:
            bits |= 1 << FIRST_KEYWORD + place
    named = np.uint64(bits)
    if command.operation is Operation.ADD:
        return before | named
    if command.operation is Operation.REMOVE:
        return before & ~named
    return np.full(len(before), named)
