"""The collector: what nobody refers to any more is removed, late and carefully.

It works on what scripts put onto lists (docs/redis.md), never on what Redis
lacks. Deleting comes before taking off the list, so that a crash repeats it.
"""

import asyncio
import secrets
import time

import structlog

from services.common.errors import Fault
from services.store.bodies import BodyStore
from services.store.index.index import Index

log = structlog.stdlib.get_logger()
ROUND_SECONDS = 30.0
LEASE_MS = 60_000


class Collector:
    """Role `collect` of a store process; any number of them share the work."""

    def __init__(self, index: Index, bodies: BodyStore, grace: float, retention: float) -> None:
        self._index, self._bodies = index, bodies
        self._grace, self._retention = grace, retention
        self._worker = secrets.token_hex(8).encode()

    async def run(self) -> None:
        """Work for ever, a round at a time."""
        while True:
            try:
                await self.round()
            except Fault as fault:
                log.warning("collector waits", cause=fault.text)
            await asyncio.sleep(min(ROUND_SECONDS, max(self._grace, 0.05)))

    async def round(self) -> None:
        """Everything that is due now; a Fault of one shard comes behind the work on the others."""
        failed: Fault | None = None
        for shard in await self._index.due_shards(_ms(self._grace), _ms(self._retention)):
            try:
                await self._work(shard)
            except Fault as fault:
                failed = fault
        if failed is not None:
            raise failed

    async def _work(self, shard: int) -> None:
        await self._index.check_shard(shard)  # what is not ours is not collected
        if await self._index.lease(shard, self._worker, LEASE_MS):
            await self._index.undo_operations(shard)
            await self._index.purge(shard)
            await self._index.prune(shard, _ms(self._retention))
            await self._collect(shard)

    async def _collect(self, shard: int) -> None:
        while garbage := await self._index.garbage(shard, _ms(self._grace)):
            for item in garbage:
                if item.shared:
                    left = await self._index.drop_reference(item.body, item.account)
                    if left != 0:  # others have it, or nothing is known: then it stays
                        continue
                await self._bodies.delete([item.body])
                if item.shared:
                    await self._index.forget_references(item.body)
            for item in garbage:
                await self._index.take_garbage(shard, item.member)
            log.info("bodies collected", shard=shard, count=len(garbage))


def _ms(age: float) -> int:
    """Unix milliseconds of this many seconds ago."""
    return int((time.time() - age) * 1000)
