"""What the collector needs of the index: garbage, dead mailboxes, old tombstones, silent operations.

Each list is a sorted set per shard by time; a worker leases a shard before it
looks, so that two do not do the same work (doing it twice is harmless).
"""

import time
from dataclasses import dataclass

from services.store.index import keys
from services.store.index.core import Request, Scope
from services.store.index.messages import MessageOperations

BATCH = 200
SHARDS_A_READ = 128


@dataclass(frozen=True, slots=True)
class Garbage:
    """A body that an account no longer refers to."""

    member: bytes
    account: str
    shared: bool  # other accounts may refer to it: see references.lua
    body: bytes


class CollectorOperations(MessageOperations):
    """Mixed into Index."""

    async def garbage(self, shard: int, before_ms: int) -> list[Garbage]:
        """Bodies whose grace ended."""
        found = []
        for member in await self._due(shard, b":garbage", before_ms):
            account, kind, body = member[:16], member[16:17], member[17:]
            found.append(Garbage(member, account.decode(), kind == b"+", body))
        return found

    async def take_garbage(self, shard: int, member: bytes) -> bool:
        """Off the list; the body is deleted before this, so that a crash between leaves it listed."""
        key = keys.tag(shard) + b":a:-"
        return await self.write("garbage_take", Scope(""), Request(), member, key=key) == b"1"

    async def write_references(self, body: bytes, accounts: list[str]) -> None:
        """Who shares this body; written once, before any of them has it in an index."""
        await self.write("references", Scope(""), Request(), body, "write", *accounts, key=_owner(body))

    async def drop_reference(self, body: bytes, account: str) -> int | None:
        """One account less; how many are left, None when nothing is known of this body.

        At 0 the body is to be deleted, and then `forget_references`; until that the answer stays 0.
        """
        left = await self.write("references", Scope(""), Request(), body, "drop", account, key=_owner(body))
        return None if left == b"-" else int(left)

    async def forget_references(self, body: bytes) -> None:
        """The body is deleted."""
        await self.write("references", Scope(""), Request(), body, "forget", key=_owner(body))

    async def purge(self, shard: int) -> None:
        """Remove what is left of deleted mailboxes and accounts; an account comes behind its mailboxes."""
        for member in await self._due(shard, b":dead", _now()):
            account, _, mailbox = member.decode().partition("|")
            while await self.write("purge", Scope(account), Request(), mailbox) == b"0":
                pass

    async def prune(self, shard: int, before_ms: int) -> None:
        """Drop tombstones that have been there since before the last look at their mailbox."""
        for member in await self._due(shard, b":tombs", before_ms):
            account, _, mailbox = member.decode().partition("|")
            while await self.write("prune", Scope(account), Request(), mailbox) == b"2":
                pass

    async def undo_operations(self, shard: int) -> None:
        """Undo copies whose caller is gone; forget the other larger commands."""
        for key in await self._due(shard, b":ops", _now()):
            account = await self.connection.command("HGET", key, "account")
            if account is not None:  # None: another worker's work
                await self.undo_operation(account.decode(), key)

    async def lease(self, shard: int, worker: bytes, milliseconds: int) -> bool:
        """Whether this worker may work on the shard for a while."""
        key = keys.tag(shard) + b":lease"
        if await self.connection.change("SET", key, worker, "NX", "PX", milliseconds):
            return True
        return bool(await self.connection.command("GET", key) == worker)

    async def due_shards(self, garbage_before: int, tombs_before: int) -> list[int]:
        """Shards with anything on one of the lists that is due (Unix milliseconds; the other lists: now).

        One command for a shard without lists. Some shards at a time, so that nobody waits behind all of them.
        """
        now = _now()
        before = {b":garbage": garbage_before, b":dead": now, b":tombs": tombs_before, b":ops": now}
        due: list[int] = []
        for first in range(0, keys.SHARDS, SHARDS_A_READ):
            shards = range(first, min(first + SHARDS_A_READ, keys.SHARDS))
            lists = await self.connection.read(
                [("EXISTS", *(keys.tag(shard) + name for name in before)) for shard in shards]
            )
            busy = [shard for shard, count in zip(shards, lists, strict=True) if count]
            counts = await self.connection.read(
                [("ZCOUNT", keys.tag(shard) + name, 0, at) for shard in busy for name, at in before.items()]
            )
            due += [shard for place, shard in enumerate(busy) if any(counts[place * 4 : place * 4 + 4])]
        return due

    async def _due(self, shard: int, name: bytes, before_ms: int) -> list[bytes]:
        key = keys.tag(shard) + name
        members: list[bytes] = await self.connection.command(
            "ZRANGEBYSCORE", key, 0, before_ms, "LIMIT", 0, BATCH
        )
        return members


def _owner(body: bytes) -> bytes:
    return keys.tag(keys.shard_of_text(body)) + b":a:-"


def _now() -> int:
    return int(time.time() * 1000)
