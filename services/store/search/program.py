"""A tree of search keys made ready: what does not depend on the message is done once for all of them.

`look` decides by columns what they can decide, for many rows at once; `matches`
decides the rest for the message of one of these rows, cheap keys first, and
asks no more keys than it needs.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import IntEnum

import numpy as np

from buuta.v1.message_pb2 import SearchKey
from services.store.search import columns, summaries
from services.store.search.bodies import BODY_KEYS
from services.store.search.message import Message
from services.store.search.pace import Pace
from services.store.search.source import Columns, Mask

# Keys that look at texts.
TEXT_KEYS = BODY_KEYS.keys() | summaries.SUMMARY_KEYS.keys()


class Cost(IntEnum):
    """Of the dearest key of a tree."""

    COLUMN = 0
    SUMMARY = 1
    BODY = 2


class Key(ABC):
    """A node."""

    cost = Cost.COLUMN

    @abstractmethod
    async def look(self, rows: Columns, pace: Pace) -> tuple[Mask, Mask]:
        """(rows that match whatever else their messages hold, rows that may match)"""

    @abstractmethod
    async def matches(self, message: Message, row: int) -> bool:
        """Whether the message of a row that may match does."""


def prepared(key: SearchKey, keywords: Sequence[str]) -> Key:
    """The tree of a program whose limits were checked."""
    kind = str(key.WhichOneof("key"))
    if kind in columns.COLUMN_KEYS:
        return _Column(columns.column_test(key, keywords))
    if kind in summaries.SUMMARY_KEYS:
        return _Text(summaries.SUMMARY_KEYS[kind](key), Cost.SUMMARY)
    if kind in BODY_KEYS:
        return _Text(BODY_KEYS[kind](key), Cost.BODY)
    inner = sorted((prepared(child, keywords) for child in children(key)), key=lambda child: child.cost)
    return _Not(inner[0]) if kind == "not" else _Group(inner, either=kind == "or")


def children(key: SearchKey) -> Sequence[SearchKey]:
    kind = key.WhichOneof("key")
    if kind == "not":
        return [getattr(key, "not")]
    if kind in ("and", "or"):
        return list(getattr(key, kind).keys)
    return []


class _Column(Key):
    def __init__(self, test: columns.Test) -> None:
        self._test = test
        self._matched = np.empty(0, np.bool_)

    async def look(self, rows: Columns, pace: Pace) -> tuple[Mask, Mask]:
        self._matched = self._test(rows)
        return self._matched, self._matched

    async def matches(self, message: Message, row: int) -> bool:
        return bool(self._matched[row])


class _Text(Key):
    def __init__(self, test: summaries.Test, cost: Cost) -> None:
        self._test, self.cost = test, cost

    async def look(self, rows: Columns, pace: Pace) -> tuple[Mask, Mask]:
        return np.zeros(len(rows.uids), np.bool_), np.ones(len(rows.uids), np.bool_)

    async def matches(self, message: Message, row: int) -> bool:
        await message.pace.turn()
        return await self._test(message)


class _Not(Key):
    def __init__(self, inner: Key) -> None:
        self._inner, self.cost = inner, inner.cost

    async def look(self, rows: Columns, pace: Pace) -> tuple[Mask, Mask]:
        sure, possible = await self._inner.look(rows, pace)
        return ~possible, ~sure

    async def matches(self, message: Message, row: int) -> bool:
        return not await self._inner.matches(message, row)


class _Group(Key):
    """All of the keys or, with `either`, one of them."""

    def __init__(self, inner: list[Key], either: bool) -> None:
        self._inner, self._either = inner, either
        self.cost = max((key.cost for key in inner), default=Cost.COLUMN)

    async def look(self, rows: Columns, pace: Pace) -> tuple[Mask, Mask]:
        sure = np.full(len(rows.uids), not self._either)
        possible = sure.copy()
        join = np.logical_or if self._either else np.logical_and
        for key in self._inner:
            one_sure, one_possible = await key.look(rows, pace)
            join(sure, one_sure, out=sure)
            join(possible, one_possible, out=possible)
            await pace.turn()
        return sure, possible

    async def matches(self, message: Message, row: int) -> bool:
        for key in self._inner:
            if await key.matches(message, row) == self._either:
                return self._either
        return not self._either
