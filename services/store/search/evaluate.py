"""Evaluates a search program over a mailbox: columns of many rows first, then message by message.

What the columns leave open is decided with one message in hand, for all keys
together, so that a search keeps the columns of one batch, one message, and
nothing else. The rows are a snapshot: others have their turn in between, and
that changes no result.
"""

from collections.abc import Sequence
from contextlib import aclosing

import numpy as np

from buuta.v1.message_pb2 import SearchKey
from services.common.errors import Refused
from services.store.search.message import Message
from services.store.search.pace import Pace
from services.store.search.program import TEXT_KEYS, children, prepared
from services.store.search.source import Columns, Source, Uids

MAX_DEPTH = 50
MAX_KEYS = 1000
MAX_TEXT = 64 * 1024  # octets of one key's text: it is looked for in every message
MAX_TEXTS = 1024 * 1024  # of all of them: what one command of IMAP may hold
BATCH = 16_384  # rows whose columns are looked at together


async def search(key: SearchKey, source: Source, keywords: Sequence[str]) -> Uids:
    """UIDs of the messages that match, ascending. Refused: INVALID_ARGUMENT (too large, or a key not set)."""
    _check(key)
    pace, program = Pace(), prepared(key, keywords)
    found = [np.empty(0, np.uint32)]
    for start in range(0, len(source.columns.uids), BATCH):
        rows = _Rows(source.columns, slice(start, start + BATCH))
        matched, possible = await program.look(rows, pace)
        matched, open_ = matched.copy(), np.flatnonzero(possible & ~matched)
        places = dict(zip(rows.uids[open_].tolist(), open_.tolist(), strict=True))
        async with aclosing(source.summaries(rows.uids[open_])) as summaries:
            async for uid, summary in summaries:
                row = places[uid]
                matched[row] = await program.matches(Message(uid, summary, source, pace), row)
                await pace.turn()
        found.append(rows.uids[matched])
        await pace.turn()
    return np.concatenate(found)


def _check(key: SearchKey) -> None:
    """Limits before anything is read; iterative, so that depth itself is harmless."""
    waiting = [(key, 1)]
    count = octets = 0
    while waiting:
        one, depth = waiting.pop()
        count += 1
        kind = one.WhichOneof("key")
        if kind is None:
            raise Refused("INVALID_ARGUMENT", "Search key is not set")
        if depth > MAX_DEPTH or count > MAX_KEYS:
            raise Refused("INVALID_ARGUMENT", "Search program is too complex")
        if kind in TEXT_KEYS:
            octets += one.ByteSize()
            if one.ByteSize() > MAX_TEXT or octets > MAX_TEXTS:
                raise Refused("INVALID_ARGUMENT", "Search text is too long")
        if kind == "uids" and len(one.uids) % 4:
            raise Refused("INVALID_ARGUMENT", "uids is no column of u32")
        waiting += [(child, depth + 1) for child in children(one)]


class _Rows:
    """Some rows of the columns."""

    def __init__(self, columns: Columns, rows: slice) -> None:
        self.uids = columns.uids[rows]
        self.flags = columns.flags[rows]
        self.modseqs = columns.modseqs[rows]
        self.sizes = columns.sizes[rows]
        self.internal_dates = columns.internal_dates[rows]
        self.save_dates = columns.save_dates[rows]
