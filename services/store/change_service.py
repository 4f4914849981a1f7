"""ChangeService: hints for front ends, events for integrators (`proto/buuta/v1/change.proto`)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc.aio

from buuta.v1 import change_pb2 as pb
from buuta.v1 import change_pb2_grpc
from services.common.errors import Refused
from services.store.context import ADMIN, Caller, Platform, caller
from services.store.event_watch import EventWatch
from services.store.hint_stream import HintStream
from services.store.index import keys
from services.store.status import rpc

ROLES = frozenset({"imap"})
# Without changes the token is repeated this often, and the log looked at in case a hint was lost.
IDLE_SECONDS = 30.0
# A consumer that takes nothing for this long is cut; it goes on from its last token.
SLOW_SECONDS = 60.0


class ChangeService(change_pb2_grpc.ChangeServiceServicer):
    def __init__(
        self, platform: Platform, idle_seconds: float = IDLE_SECONDS, slow_seconds: float = SLOW_SECONDS
    ) -> None:
        self._platform = platform
        self._idle, self._slow = idle_seconds, slow_seconds

    @rpc
    async def WatchHints(
        self, requests: AsyncIterator[pb.WatchHintsRequest], context: Any
    ) -> AsyncGenerator[pb.WatchHintsResponse, None]:
        caller(self._platform, context, ROLES)
        stream = HintStream(self._platform)
        reading = asyncio.ensure_future(stream.read(requests))
        try:
            while not reading.done() or stream.listener.ready.is_set():
                response = await stream.next(reading)
                if response.hints:
                    yield response
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            stream.close()

    @rpc
    async def Watch(  # type: ignore[override]  # writes by itself, so that a slow consumer is noticed
        self, request: pb.WatchRequest, context: Any
    ) -> None:
        who = caller(self._platform, context, ROLES)
        if request.account:
            who.scope(request.account)
            shards = [keys.shard_of(request.account)]
        elif who.role == ADMIN and who.session is None:
            shards = list(range(keys.SHARDS))
        else:
            raise Refused("PERMISSION_DENIED", "Only an administrator watches all accounts")
        watch = EventWatch(self._platform, request.account, shards)
        async with watch.listening():
            await self._check(who, request.account)
            await watch.start(request.token)
            await self._write(context, pb.WatchResponse(token=watch.token()))
            while True:
                async for events in watch.read():
                    await self._write(context, pb.WatchResponse(events=events, token=watch.token()))
                changed = await watch.wait(self._idle)
                if not changed:
                    await self._write(context, pb.WatchResponse(token=watch.token()))
                if watch.ended or not changed:
                    await self._check(who, "")

    async def _check(self, who: Caller, account: str) -> None:
        """Refused when the watcher's session has ended, or when there is no such account."""
        index = self._platform.index
        if who.session is not None:
            if await index.account(who.session.account, str(who.session.epoch)) is None:
                raise Refused("SESSION_ENDED", "The account is gone")
        elif account and await index.account(account) is None:
            raise Refused("ACCOUNT_NOT_FOUND", "No such account")

    async def _write(self, context: Any, response: pb.WatchResponse) -> None:
        try:
            await asyncio.wait_for(context.write(response), self._slow)
        except TimeoutError:
            raise Refused("SLOW_CONSUMER", "The consumer is too slow; go on from the last token") from None
        except grpc.aio.BaseError:  # the consumer has gone: the call ends as a cancelled one does
            raise asyncio.CancelledError from None
