"""Summaries in the index: one hash a page, a range of messages in one command."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from services.common.errors import Refused
from services.store.index import keys
from services.store.index.core import Core
from services.store.index.link import Reply
from services.store.index.node import Node, parse_info
from services.store.index.record import PAGE, U32

# Above this share of `maxmemory` messages are no longer taken, so that flags and expunges still work.
FULL = 0.85
MEMORY_CHECK_SECONDS = 1.0


class SummaryOperations(Core):
    """Mixed into Index."""

    _memory_checked = 0.0
    _full: frozenset[Node] = frozenset()  # servers that said so last

    async def summaries(self, account: str, mailbox: int, uids: U32) -> list[bytes | None]:
        """The summary of each message (UIDs ascending), None where there is none any more."""
        found: list[bytes | None] = []
        for batch in await self.connection.read(_reads(account, mailbox, uids)):
            found += batch
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


def _reads(account: str, mailbox: int, uids: U32) -> Sequence[Sequence[bytes | str | int]]:
    """One HMGET a page."""
    reads: list[list[bytes | str | int]] = []
    last = -1
    for uid in uids.tolist():
        if uid // PAGE != last:
            last = uid // PAGE
            reads.append(["HMGET", keys.summary_key(account, mailbox, last)])
        reads[-1].append(uid % PAGE)
    return reads
