"""Hints that accounts changed, as the scripts publish them: one channel per shard.

Hints may be lost (a connection that breaks, a failover): whoever listens is
told so, and reads the state again. Nothing depends on a hint but speed. redis-py
connects and parses, and a hint has no timeout of its own.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable

import hiredis
import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from services.store.index import keys
from services.store.index.node import connection_to

log = structlog.stdlib.get_logger()
RECONNECT_SECONDS = 0.5
CONNECT_SECONDS = 5.0
PING_SECONDS = 15.0
# Nobody writes to it: its subscription is the last one, and says that all before it are made.
LAST_CHANNEL = b"buuta:hints"

# account, seq, whether its sessions ended
OnHint = Callable[[str, int, bool], None]


class ShardChannels:
    """Subscribes to the channels of the shards that anybody is interested in."""

    def __init__(self, url: str, on_hint: OnHint, on_gap: Callable[[], None]) -> None:
        self._url, self._on_hint, self._on_gap = url, on_hint, on_gap
        self._interest: Counter[int] = Counter()
        self._changed = asyncio.Event()
        self._subscribed: dict[int, asyncio.Event] = {}
        self._listening = False
        self._heard = False  # anything since the last ping

    async def add(self, shard: int) -> None:
        """Returns once the shard's channel is subscribed to (or the connection is being made anew)."""
        self._interest[shard] += 1
        if shard not in self._subscribed:
            self._subscribed[shard] = asyncio.Event()
            self._changed.set()
        await self._subscribed[shard].wait()

    def remove(self, shard: int) -> None:
        self._interest[shard] -= 1  # the channel stays: it costs less than asking again

    async def run(self) -> None:
        """Listen for ever; reconnects by itself."""
        while True:
            try:
                await self._listen()
            except* (RedisError, OSError, TimeoutError) as group:
                if self._listening:  # otherwise it has been said
                    log.warning("hints interrupted", cause=repr(group.exceptions)[:200])
            self._listening = False
            # Nobody waits for a subscription that cannot be made: readers read, and poll.
            for event in self._subscribed.values():
                event.set()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        # RESP2: what is published comes as a reply like any other one.
        connection = connection_to(self._url, protocol=2, socket_connect_timeout=CONNECT_SECONDS)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]  # redis has half its types
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(connection))
                group.create_task(self._subscribe(connection))
                group.create_task(self._ping(connection))
        finally:
            await connection.disconnect(nowait=True)

    async def _subscribe(self, connection: AbstractConnection) -> None:
        known = set(self._subscribed)
        await _send(connection, b"SUBSCRIBE", *map(_channel, known), LAST_CHANNEL)
        while True:
            await self._changed.wait()
            self._changed.clear()
            fresh = self._subscribed.keys() - known
            known |= fresh
            if fresh:
                await _send(connection, b"SUBSCRIBE", *map(_channel, fresh))

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            kind, channel, *data = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
            self._heard = True
            if kind == b"message":
                self._take(data[0])
            elif kind == b"subscribe" and channel == LAST_CHANNEL:
                self._listening = True
                self._on_gap()
            elif kind == b"subscribe":
                self._subscribed[int(channel[2:6])].set()

    async def _ping(self, connection: AbstractConnection) -> None:
        while True:
            self._heard = False
            await _send(connection, b"PING")
            await asyncio.sleep(PING_SECONDS)
            if not self._heard:
                raise TimeoutError("no answer to a ping")

    def _take(self, data: bytes) -> None:
        ended = data.endswith(b"!")
        account = data[: keys.ACCOUNT_ID_LENGTH].decode()
        self._on_hint(account, int(data[keys.ACCOUNT_ID_LENGTH : -1 if ended else None]), ended)


def _channel(shard: int) -> bytes:
    return keys.tag(shard) + b":h"


async def _send(connection: AbstractConnection, *words: bytes) -> None:
    packed = hiredis.pack_command(words)  # type: ignore[arg-type]  # it takes more than one
    await connection.send_packed_command(packed, check_health=False)
