"""One integrator's Watch: a position in the log of every shard it looks at."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

from buuta.v1 import change_pb2 as pb
from services.common.errors import Refused
from services.store.context import Platform
from services.store.hints import Listener
from services.store.index import keys
from services.store.index.log import START, LogEntry

EVENTS_A_READ = 50  # an entry holds effects too: up to a megabyte for a large command
VERSION = b"\x01"
POSITION = struct.Struct("<HQI")  # shard, and the two numbers of a position


class EventWatch:
    """Events in order, shard by shard; the token names the positions behind what was given out."""

    def __init__(self, platform: Platform, account: str, shards: list[int]) -> None:
        self._platform, self._account, self._shards = platform, account, shards
        self._positions: dict[int, bytes] = {}
        self._listener = Listener()
        self._stale = set(shards)
        self.ended = False  # sessions of a watched account ended since `wait` was called

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        hints = self._platform.hints
        try:
            if self._account:
                await hints.add(self._listener, self._account)
            else:
                await hints.add_everything(self._listener)
            yield
        finally:
            if self._account:
                hints.remove(self._listener, self._account)
            else:
                hints.remove_everything(self._listener)

    async def start(self, token: bytes) -> None:
        index = self._platform.index
        if not token:
            ends = await asyncio.gather(*(index.log_end(shard) for shard in self._shards))
            self._positions = dict(zip(self._shards, ends, strict=True))
            return
        known = read_token(token)
        self._positions = {shard: known.get(shard, START) for shard in self._shards}
        await asyncio.gather(
            *(index.check_position(shard, position) for shard, position in self._positions.items())
        )

    async def read(self) -> AsyncIterator[list[pb.Event]]:
        """Events that are there, shard by shard."""
        stale, self._stale = self._stale, set()
        for shard in sorted(stale):
            while True:
                entries = await self._platform.index.log_since(shard, self._positions[shard], EVENTS_A_READ)
                if not entries:
                    break
                await self._platform.index.check_position(shard, self._positions[shard])
                self._positions[shard] = entries[-1].position
                events = [event for entry in entries if (event := self._event(entry)) is not None]
                if events:
                    yield events

    def _event(self, entry: LogEntry) -> pb.Event | None:
        if self._account and entry.account != self._account:
            return None
        event = pb.Event(
            kind=entry.event.kind,  # type: ignore[arg-type]  # an enum's number
            account=entry.account,
            seq=entry.seq,
            mailbox=entry.event.mailbox,
            name=entry.event.name,
            uids=entry.event.uids,
            source_mailbox=entry.event.source,
        )
        event.time.FromMilliseconds(entry.time)
        return event

    async def wait(self, seconds: float) -> bool:
        """Whether something changed before the time was up; Unavailable once the store drains."""
        self.ended = False
        try:
            await asyncio.wait_for(self._platform.hints.wait(self._listener), seconds)
        except TimeoutError:
            self._stale = set(self._shards)
            return False
        changed, ended, gap = self._listener.take()
        self.ended = bool(ended) or gap
        self._stale = set(self._shards) if gap else {keys.shard_of(account) for account in changed}
        return True

    def token(self) -> bytes:
        parts = []
        for shard, position in sorted(self._positions.items()):
            if position != START:
                milliseconds, _, count = position.partition(b"-")
                parts.append(POSITION.pack(shard, int(milliseconds), int(count)))
        return VERSION + b"".join(parts)


def read_token(token: bytes) -> dict[int, bytes]:
    """Positions by shard; Refused for what is no token."""
    if token[:1] != VERSION or (len(token) - 1) % POSITION.size:
        raise Refused("INVALID_ARGUMENT", "Not a token of Watch")
    return {shard: b"%d-%d" % (ms, count) for shard, ms, count in POSITION.iter_unpack(token[1:])}
