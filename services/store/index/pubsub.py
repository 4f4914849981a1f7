"""Hints that accounts changed, as the scripts publish them: one channel per shard.

Hints may be lost (a connection that breaks, a failover): whoever listens is
told so, and reads the state again. Nothing depends on a hint but speed.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from services.store.index import keys

log = structlog.stdlib.get_logger()
RECONNECT_SECONDS = 0.5
PING_SECONDS = 15.0

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
        redis = Redis.from_url(self._url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=5)
        try:
            pubsub = redis.pubsub()
            wanted = list(self._subscribed)
            await pubsub.subscribe(b"buuta:hints", *(keys.tag(shard) + b":h" for shard in wanted))
            known = set(wanted)
            self._listening = True
            self._on_gap()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._subscribe(pubsub, known))
                asked = False
                while True:
                    message = await pubsub.get_message(timeout=PING_SECONDS)
                    if message is None and asked:
                        raise TimeoutError("no answer to a ping")
                    asked = message is None
                    if message is None:
                        await pubsub.ping()
                    elif message["type"] == "message":
                        self._take(message["data"])
                    elif message["type"] == "subscribe" and message["channel"].startswith(b"{s"):
                        self._subscribed[int(message["channel"][2:6])].set()
        finally:
            await redis.aclose()

    async def _subscribe(self, pubsub: object, known: set[int]) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            fresh = [shard for shard in self._subscribed if shard not in known]
            known.update(fresh)
            if fresh:
                await pubsub.subscribe(*(keys.tag(shard) + b":h" for shard in fresh))  # type: ignore[attr-defined]  # redis has no types

    def _take(self, data: bytes) -> None:
        ended = data.endswith(b"!")
        account = data[: keys.ACCOUNT_ID_LENGTH].decode()
        self._on_hint(account, int(data[keys.ACCOUNT_ID_LENGTH : -1 if ended else None]), ended)
