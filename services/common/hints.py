"""Who wants to know that an account changed: one stream to the store for all sessions of a process.

Hints are level-triggered: a session that hears "seq n now" reads what it does
not know yet, so a lost or repeated hint does no harm. After a reconnect every
account is added again, which makes the store tell where each of them is; every
POLL seconds all are added again anyway, and those that no session is left of are
taken off: a client that comes back sooner costs nothing. Session tokens are
renewed by the store client, so that what is added is good.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import grpc.aio
import structlog

from buuta.v1.change_pb2 import Hint, WatchedAccount, WatchHintsRequest
from services.common.errors import Refused, Unavailable
from services.common.store_client import StoreClient, StoreSession

POLL = 30.0
RECONNECT = 0.5  # seconds, on average, before the stream is opened again
GATHER = 0.02  # seconds to collect new accounts: a session that only looks in adds none
BATCH = 500  # accounts added in one request

Callback = Callable[[Hint], None]
Call = Any  # grpc.aio.StreamStreamCall
INTERRUPTIONS = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError)
log = structlog.stdlib.get_logger()


class Subscription:
    """One session's interest in its account."""

    __slots__ = ("_hub", "callback", "session")

    def __init__(self, hub: "HintHub", session: StoreSession, callback: Callback) -> None:
        self._hub, self.session, self.callback = hub, session, callback

    def close(self) -> None:
        self._hub.drop(self)


class HintHub:
    """Keeps the stream up and hands hints to subscriptions; `start` and `close` belong to the process."""

    def __init__(self, client: StoreClient, poll: float = POLL) -> None:
        self._client, self._poll = client, poll
        self._accounts: dict[str, set[Subscription]] = {}
        self._new: set[str] = set()  # accounts to ask the store to watch
        self._added: set[str] = set()  # what it has been asked to watch on this stream
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def subscribe(self, session: StoreSession, callback: Callback) -> Subscription:
        """Have `callback` called, in the event loop, with every hint of the session's account.

        Those of later changes, that is: subscribe, then read.
        """
        subscription = Subscription(self, session, callback)
        self._accounts.setdefault(session.account, set()).add(subscription)
        if session.account not in self._added:
            self._add(session.account)
        return subscription

    def drop(self, subscription: Subscription) -> None:
        """End a subscription; the second time does nothing."""
        account = subscription.session.account
        held = self._accounts.get(account)
        if held is None or subscription not in held:
            return
        held.remove(subscription)
        if not held:
            del self._accounts[account]

    def _add(self, account: str) -> None:
        self._new.add(account)
        self._wake.set()

    # -- the stream ---------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                await self._watch()
            except* (*INTERRUPTIONS, Unavailable) as group:
                error = group.exceptions[0]
                cause = error.details() if isinstance(error, grpc.aio.AioRpcError) else str(error)
                if self._client.reachable:  # otherwise the client has said so
                    log.info("hints interrupted", cause=cause)
            await asyncio.sleep(RECONNECT * random.uniform(0.5, 1.5))

    async def _watch(self) -> None:
        """One stream, to its end; reader and writer end together."""
        call = self._client.open_hints()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write(call))
                async for response in call:
                    for hint in response.hints:
                        self._deliver(hint, group)
                raise Unavailable("The store closed the stream")
        finally:
            call.cancel()

    async def _write(self, call: Call) -> None:
        """Add all accounts, then new ones, and all again every POLL seconds."""
        loop = asyncio.get_running_loop()
        self._added.clear()
        while True:
            self._new.clear()
            self._wake.clear()
            await self._send(call, self._added | self._accounts.keys())
            deadline = loop.time() + self._poll * random.uniform(0.8, 1.2)
            while await self._woken(deadline):
                await asyncio.sleep(GATHER)
                new, self._new = self._new, set()
                await self._send(call, new)

    async def _woken(self, deadline: float) -> bool:
        """Wait for new accounts; False when it is time to add all again."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    async def _send(self, call: Call, accounts: set[str]) -> None:
        for batch in _batches(accounts):
            request = WatchHintsRequest()
            for account in batch:
                if held := self._accounts.get(account):
                    token = max(held, key=lambda each: each.session.expire_time).session.token
                    request.add.append(WatchedAccount(account=account, session_token=token))
                    self._added.add(account)
                elif account in self._added:
                    request.remove.append(account)
                    self._added.remove(account)
            if request.add or request.remove:
                await call.write(request)

    def _deliver(self, hint: Hint, group: asyncio.TaskGroup) -> None:
        if hint.ended:
            self._added.discard(hint.account)
            group.create_task(self._end(hint))
            return
        for subscription in list(self._accounts.get(hint.account, ())):
            _call(subscription, hint)

    async def _end(self, hint: Hint) -> None:
        """Some session of the account has ended: tell those that cannot be renewed, watch for the rest."""
        for subscription in list(self._accounts.get(hint.account, ())):
            try:
                await self._client.renew(subscription.session)
            except Refused:
                _call(subscription, hint)
                subscription.close()
        if hint.account in self._accounts:
            await asyncio.sleep(RECONNECT)
            self._add(hint.account)


def _call(subscription: Subscription, hint: Hint) -> None:
    try:
        subscription.callback(hint)
    except Exception:
        log.exception("a hint's callback failed")


def _batches(accounts: set[str]) -> Iterator[list[str]]:
    """Each of a size that one request carries."""
    rest = iter(accounts)
    while batch := list(islice(rest, BATCH)):
        yield batch
