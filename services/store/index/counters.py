"""Counters that expire, shared by all stores: failed logins by client address."""

from services.store.index import keys
from services.store.index.connection import Connection


class Counters:
    """Counts in Redis; not part of any account, and not in the redo log."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self, name: str) -> int:
        return int(await self._connection.command("GET", _key(name)) or 0)

    async def add(self, name: str, seconds: int) -> None:
        """One more; the count ends `seconds` after its first, even when the caller crashes in between."""
        key = _key(name)
        if await self._connection.change("SET", key, 1, "NX", "EX", seconds):
            return
        await self._connection.change("INCR", key)
        if await self._connection.command("TTL", key) < 0:  # it ended between the two
            await self._connection.change("EXPIRE", key, seconds)


def _key(name: str) -> bytes:
    return keys.tag(keys.shard_of_text(name.encode())) + b":count:" + name.encode()
