"""Evaluates a tree of search keys over a mailbox, the cheap keys first.

Each node is asked only about rows that are still undecided: AND passes on what
matched so far, OR what did not match yet. Rows go through in batches, so that
a search keeps the summaries of one batch and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from buuta.v1.message_pb2 import SearchKey
from services.common.errors import Refused
from services.store.search.bodies import body_test
from services.store.search.columns import COLUMN_KEYS, column_mask
from services.store.search.source import Columns, Mask, Source, Uids
from services.store.search.summaries import SUMMARY_KEYS, summary_test
from services.store.summary import Summary

MAX_DEPTH = 50
MAX_KEYS = 1000
MAX_TEXT = 64 * 1024  # octets of one key's text: it is looked for in every message
BATCH = 1024

_BODY_KEYS = frozenset(("body", "text"))
_TEXT_KEYS = _BODY_KEYS | SUMMARY_KEYS.keys()


class _Cost(IntEnum):
    COLUMN = 0
    SUMMARY = 1
    BODY = 2


async def search(key: SearchKey, source: Source, keywords: Sequence[str]) -> Uids:
    """UIDs of the messages that match, ascending. Refused: INVALID_ARGUMENT (too deep, or a key not set)."""
    _check(key)
    columns = source.columns
    everything = np.ones(len(columns.uids), np.bool_)
    if _cost(key) == _Cost.COLUMN:
        return columns.uids[await _Batch(columns, source, keywords).matches(key, everything)]
    found = [np.empty(0, np.uint32)]
    for start in range(0, len(columns.uids), BATCH):
        rows = _Rows(columns, slice(start, start + BATCH))
        batch = _Batch(rows, source, keywords)
        mask = await batch.matches(key, everything[start : start + BATCH])
        found.append(rows.uids[mask & ~np.isin(rows.uids, list(batch.gone))])
    return np.concatenate(found)


def _check(key: SearchKey) -> None:
    """Limits before anything is read; iterative, so that depth itself is harmless."""
    waiting = [(key, 1)]
    count = 0
    while waiting:
        one, depth = waiting.pop()
        count += 1
        kind = one.WhichOneof("key")
        if kind is None:
            raise Refused("INVALID_ARGUMENT", "Search key is not set")
        if depth > MAX_DEPTH or count > MAX_KEYS:
            raise Refused("INVALID_ARGUMENT", "Search program is too complex")
        if kind in _TEXT_KEYS and one.ByteSize() > MAX_TEXT:
            raise Refused("INVALID_ARGUMENT", "Search text is too long")
        if kind == "uids" and len(one.uids) % 4:
            raise Refused("INVALID_ARGUMENT", "uids is no column of u32")
        waiting += [(child, depth + 1) for child in _children(one)]


def _children(key: SearchKey) -> Sequence[SearchKey]:
    kind = key.WhichOneof("key")
    if kind == "not":
        return [getattr(key, "not")]
    if kind in ("and", "or"):
        return list(getattr(key, kind).keys)
    return []


def _cost(key: SearchKey) -> _Cost:
    kind = key.WhichOneof("key")
    if kind in _BODY_KEYS:
        return _Cost.BODY
    if kind in SUMMARY_KEYS:
        return _Cost.SUMMARY
    return max((_cost(child) for child in _children(key)), default=_Cost.COLUMN)


class _Rows:
    """Some rows of the columns."""

    def __init__(self, columns: Columns, rows: slice) -> None:
        self.uids = columns.uids[rows]
        self.flags = columns.flags[rows]
        self.modseqs = columns.modseqs[rows]
        self.sizes = columns.sizes[rows]
        self.internal_dates = columns.internal_dates[rows]
        self.save_dates = columns.save_dates[rows]


@dataclass(slots=True)
class _Batch:
    columns: Columns
    source: Source
    keywords: Sequence[str]
    summaries: dict[int, Summary] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)

    async def matches(self, key: SearchKey, rows: Mask) -> Mask:
        """Which of `rows` match."""
        kind = str(key.WhichOneof("key"))
        if not rows.any():
            return rows
        if kind in COLUMN_KEYS:
            return rows & column_mask(key, self.columns, self.keywords)
        if kind == "not":
            return rows & ~await self.matches(getattr(key, "not"), rows)
        if kind == "and":
            for child in sorted(_children(key), key=_cost):
                rows = await self.matches(child, rows)
            return rows
        if kind == "or":
            found = np.zeros_like(rows)
            for child in sorted(_children(key), key=_cost):
                found |= await self.matches(child, rows & ~found)
            return found
        return await self._by_message(key, kind, rows)

    async def _by_message(self, key: SearchKey, kind: str, rows: Mask) -> Mask:
        found = np.zeros_like(rows)
        await self._load(rows)
        for row in np.flatnonzero(rows):
            uid = int(self.columns.uids[row])
            summary = self.summaries.get(uid)
            if summary is None:
                continue
            answer = summary_test(key, summary) if kind in SUMMARY_KEYS else None
            if answer is None:
                answer = await body_test(key, self.source, uid, summary)
            found[row] = answer
        return found

    async def _load(self, rows: Mask) -> None:
        """The summaries of the rows, each asked for once."""
        wanted = [
            uid
            for uid in self.columns.uids[rows].tolist()
            if uid not in self.summaries and uid not in self.gone
        ]
        if wanted:
            self.summaries |= await self.source.summaries(wanted)
            self.gone.update(uid for uid in wanted if uid not in self.summaries)
