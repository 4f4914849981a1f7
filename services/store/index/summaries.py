"""Summaries in the index: one list a page, a range of messages in one command."""

import asyncio
import time
from functools import partial

import numpy as np

from services.common.errors import Refused
from services.store.index import keys
from services.store.index.core import Core
from services.store.index.link import Reply
from services.store.index.node import Node, parse_info
from services.store.index.record import PAGE, U32

# Above this share of `maxmemory` messages are no longer taken, so that flags and expunges still work.
FULL = 0.85
MEMORY_CHECK_SECONDS = 1.0
MAX_GAP = 16  # summaries of some 300 octets that nobody asked for; a command costs as much


class SummaryOperations(Core):
    """Mixed into Index."""

    _memory_checked = 0.0
    _full: frozenset[Node] = frozenset()  # servers that said so last

    async def summaries(self, account: str, mailbox: int, uids: U32) -> list[bytes | None]:
        """The summary of each message (UIDs ascending), None where there is none any more."""
        found: list[bytes | None] = []
        spans = _spans(uids)
        answers = await self.connection.read([_read(account, mailbox, span) for span in spans])
        for span, places in zip(spans, answers, strict=True):
            found += _picked(span, places)
        if None in found:  # expunged meanwhile, or is this no longer our Redis?
            await self.check_shard(keys.shard_of(account))
        return found

    async def check_room(self) -> None:
        """Refused(STORAGE_FULL) when Redis is nearly full, by what it said last.

        It is asked at most once a second, and nobody waits for the answer.
        """
        now = time.monotonic()
        if now - self._memory_checked > MEMORY_CHECK_SECONDS:
            self._memory_checked = now
            self._full = self._full.intersection(self.connection.servers)
            for node in self.connection.servers:
                node.put(("INFO", "memory"), False).add_done_callback(partial(self._take_memory, node))
        if self._full:
            raise Refused("STORAGE_FULL", "The store is full")

    def _take_memory(self, node: Node, answer: "asyncio.Future[Reply]") -> None:
        if not answer.cancelled() and not isinstance(reply := answer.result(), Exception):
            info = parse_info(reply)
            full = 0 < FULL * int(info.get("maxmemory", 0)) < int(info["used_memory"])
            self._full = self._full | {node} if full else self._full - {node}


def _spans(uids: U32) -> list[U32]:
    """The UIDs in parts of one page each, without gaps that would cost more to read than a command does."""
    apart = (np.diff(uids) > MAX_GAP) | (np.diff(uids // PAGE) > 0)
    return np.split(uids, np.flatnonzero(apart) + 1) if len(uids) else []


def _read(account: str, mailbox: int, span: U32) -> list[bytes | str | int]:
    first, last = int(span[0]), int(span[-1])
    return ["LRANGE", keys.summary_key(account, mailbox, first // PAGE), first % PAGE, last % PAGE]


def _picked(span: U32, places: list[bytes]) -> list[bytes | None]:
    """Those of the UIDs from the places of the first one to the last one; an empty place has none."""
    if len(places) == len(span) == int(span[-1] - span[0]) + 1:
        return [summary or None for summary in places]
    return [(places[place] or None) if place < len(places) else None for place in (span - span[0]).tolist()]
