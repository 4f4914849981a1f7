"""ChangeService: hints for front ends, events for integrators (`proto/buuta/v1/change.proto`)."""

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc.aio

from buuta.v1 import change_pb2 as pb
from buuta.v1 import change_pb2_grpc
from services.common.errors import Fault, Refused
from services.store.context import ADMIN, Platform, caller
from services.store.hints import Listener
from services.store.index import keys
from services.store.index.log import START, LogEntry
from services.store.status import rpc

HINT_ROLES = frozenset({"imap", "pop3"})
EVENTS_A_READ = 200
# Without changes the token is repeated this often, and the log looked at in case a hint was lost.
IDLE_SECONDS = 30.0
# A consumer that takes nothing for this long is cut; it goes on from its last token.
SLOW_SECONDS = 60.0
POSITION = struct.Struct("<HQI")


class ChangeService(change_pb2_grpc.ChangeServiceServicer):
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @rpc
    async def WatchHints(
        self, requests: AsyncIterator[pb.WatchHintsRequest], context: Any
    ) -> AsyncIterator[pb.WatchHintsResponse]:
        caller(self._platform, context, HINT_ROLES)
        stream = HintStream(self._platform)
        reading = asyncio.ensure_future(stream.read(requests))
        try:
            while not reading.done() or stream.listener.ready.is_set():
                response = await stream.next(reading)
                if response.hints:
                    yield response
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await reading
            stream.close()

    @rpc
    async def Watch(  # type: ignore[override]  # writes by itself, so that a slow consumer is noticed
        self, request: pb.WatchRequest, context: Any
    ) -> None:
        who = caller(self._platform, context, HINT_ROLES)
        if request.account:
            who.scope(request.account)
            shards: Iterable[int] = [keys.shard_of(request.account)]
        elif who.role == ADMIN and who.session is None:
            shards = range(keys.SHARDS)
        else:
            raise Refused("PERMISSION_DENIED", "Only an administrator watches all accounts")
        watch = EventWatch(self._platform, request.account, list(shards))
        async with watch.listening():
            await watch.start(request.token)
            await _write(context, pb.WatchResponse(token=watch.token()))
            while True:
                async for events in watch.read():
                    await _write(context, pb.WatchResponse(events=events, token=watch.token()))
                if not await watch.wait(IDLE_SECONDS):
                    await _write(context, pb.WatchResponse(token=watch.token()))


async def _write(context: Any, response: pb.WatchResponse) -> None:
    try:
        await asyncio.wait_for(context.write(response), SLOW_SECONDS)
    except TimeoutError:
        raise Refused("SLOW_CONSUMER", "The consumer is too slow; go on from the last token") from None
    except grpc.aio.BaseError:  # the consumer has gone: the call ends as a cancelled one does
        raise asyncio.CancelledError from None


class HintStream:
    """One front end's WatchHints: its accounts, and what it has not been told yet."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.listener = Listener()
        self._accounts: set[str] = set()

    async def read(self, requests: AsyncIterator[pb.WatchHintsRequest]) -> None:
        """Takes additions and removals until the front end closes its side."""
        async for request in requests:
            for account in request.remove:
                self._accounts.discard(account)
                self._platform.hints.remove(self.listener, account)
            await asyncio.gather(*(self._add(watched) for watched in request.add))

    async def _add(self, watched: pb.WatchedAccount) -> None:
        """Subscribe first, then read: no change can fall between."""
        account = watched.account
        try:
            claims = self._platform.tokens.verify(watched.session_token, time.time())
            if claims.account != account:
                raise Refused("PERMISSION_DENIED", "Not your account")
            self._accounts.add(account)
            await self._platform.hints.add(self.listener, account)
            header = await self._platform.index.account(account, str(claims.epoch))
            if header is None:
                raise Refused("ACCOUNT_NOT_FOUND", "No such account")
        except Refused:
            self.listener.ended.add(account)
        except Fault:
            self.listener.gap = True  # read again a little later
        else:
            self.listener.changed[account] = max(header.seq, self.listener.changed.get(account, 0))
        self.listener.ready.set()

    async def next(self, reading: "asyncio.Future[None]") -> pb.WatchHintsResponse:
        """The next hints, at once or when something changes."""
        waiting = asyncio.ensure_future(self.listener.ready.wait())
        await asyncio.wait((waiting, reading), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        changed, ended, gap = self.listener.take()
        if gap:
            await self._read_again(changed)
        response = pb.WatchHintsResponse()
        for account in ended & self._accounts | (ended - changed.keys()):
            response.hints.add(account=account, ended=True)
            self._accounts.discard(account)
            self._platform.hints.remove(self.listener, account)
        for account, seq in changed.items():
            if account in self._accounts:
                response.hints.add(account=account, seq=seq)
        return response

    async def _read_again(self, changed: dict[str, int]) -> None:
        async def one(account: str) -> None:
            try:
                header = await self._platform.index.account(account)
            except Fault:
                self.listener.gap = True
                self.listener.ready.set()
                return
            if header is not None:
                changed[account] = max(header.seq, changed.get(account, 0))
            else:
                self.listener.ended.add(account)
                self.listener.ready.set()

        await asyncio.gather(*(one(account) for account in list(self._accounts)))
        if self.listener.gap:
            await asyncio.sleep(1)

    def close(self) -> None:
        for account in self._accounts:
            self._platform.hints.remove(self.listener, account)


class EventWatch:
    """One integrator's Watch: a position in the log of every shard it looks at."""

    def __init__(self, platform: Platform, account: str, shards: list[int]) -> None:
        self._platform, self._account, self._shards = platform, account, shards
        self._positions: dict[int, bytes] = {}
        self._listener = Listener()
        self._stale = set(shards)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        hints = self._platform.hints
        if self._account:
            await hints.add(self._listener, self._account)
        else:
            await hints.add_everything(self._listener)
        try:
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
        if entry.event is None or (self._account and entry.account != self._account):
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
        """Whether something changed before the time was up."""
        try:
            await asyncio.wait_for(self._listener.ready.wait(), seconds)
        except TimeoutError:
            self._stale = set(self._shards)
            return False
        changed, _, gap = self._listener.take()
        self._stale = set(self._shards) if gap else {keys.shard_of(account) for account in changed}
        return True

    def token(self) -> bytes:
        parts = []
        for shard, position in sorted(self._positions.items()):
            if position != START:
                milliseconds, _, count = position.partition(b"-")
                parts.append(POSITION.pack(shard, int(milliseconds), int(count)))
        return b"\x01" + b"".join(parts)


def read_token(token: bytes) -> dict[int, bytes]:
    """Positions by shard; Refused for what is no token."""
    if token[:1] != b"\x01" or (len(token) - 1) % POSITION.size:
        raise Refused("INVALID_ARGUMENT", "Not a token of Watch")
    return {shard: b"%d-%d" % (ms, count) for shard, ms, count in POSITION.iter_unpack(token[1:])}
