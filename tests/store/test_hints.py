"""WatchHints: a front end is told where its accounts are, whatever happens to Redis in between."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from buuta.v1 import account_pb2
from buuta.v1 import change_pb2 as pb
from services.store.index import pubsub
from tests.store.api import TIMEOUT, Api, Store, rid, serving, until
from tests.support.processes import RedisServer

MESSAGE = b"Subject: x\r\n\r\n"


class Watching:
    """One front end's stream: the newest hint of each account."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.seqs: dict[str, int] = {}
        self.ended: set[str] = set()
        self._new = asyncio.Event()

    async def read(self) -> None:
        async for response in self._call:
            for hint in response.hints:
                if hint.ended:
                    self.ended.add(hint.account)
                else:
                    self.seqs[hint.account] = hint.seq
            self._new.set()

    async def add(self, api: Api) -> None:
        watched = pb.WatchedAccount(account=api.account, session_token=api.session)
        await self._call.write(pb.WatchHintsRequest(add=[watched]))

    async def remove(self, api: Api) -> None:
        await self._call.write(pb.WatchHintsRequest(remove=[api.account]))

    async def done_writing(self) -> None:
        await self._call.done_writing()

    async def reaches(self, account: str, seq: int) -> None:
        await until(lambda: self.seqs.get(account, 0) >= seq)


@contextlib.asynccontextmanager
async def watching(store: Store) -> AsyncIterator[Watching]:
    call = store.api("imap").changes.WatchHints()
    found = Watching(call)
    task = asyncio.ensure_future(found.read())
    try:
        yield found
    finally:
        call.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def seq(api: Api) -> int:
    answer: int = (await api.sync()).seq
    return answer


async def test_the_first_hint_says_where_the_account_is(store: Store, alice: Api) -> None:
    await alice.append(MESSAGE)
    async with watching(store) as hints:
        await hints.add(alice)
        await hints.reaches(alice.account, await seq(alice))


async def test_changes_are_hinted_for_every_account_of_the_stream(store: Store, alice: Api) -> None:
    bob = await store.login("bob")
    async with watching(store) as hints:
        await hints.add(alice)
        await hints.add(bob)
        await hints.add(bob)  # twice is once
        await hints.reaches(bob.account, await seq(bob))
        for api in (alice, bob, alice):
            await api.append(MESSAGE)
            await hints.reaches(api.account, await seq(api))


async def test_removed_accounts_are_silent(store: Store, alice: Api) -> None:
    bob = await store.login("bob")
    async with watching(store) as hints:
        await hints.add(alice)
        await hints.add(bob)
        await hints.reaches(bob.account, await seq(bob))
        await hints.remove(alice)
        await hints.add(bob)  # told again: the removal came before it
        hints.seqs.clear()
        await hints.reaches(bob.account, await seq(bob))
        await alice.append(MESSAGE)
        await bob.append(MESSAGE)
        await hints.reaches(bob.account, await seq(bob))
        assert alice.account not in hints.seqs


async def test_a_token_that_is_refused_ends_its_account_only(store: Store, alice: Api) -> None:
    bob = await store.login("bob")
    async with watching(store) as hints:
        await hints.add(store.api("imap", bob.session, alice.account))  # bob's token for alice's account
        await hints.add(store.api("imap", "forged", "nobody"))
        await hints.add(bob)
        await hints.reaches(bob.account, await seq(bob))
        await until(lambda: hints.ended == {alice.account, "nobody"})
        assert set(hints.seqs) == {bob.account}


@pytest.mark.parametrize("how", ["password", "deletion"])
async def test_sessions_that_end_are_told(store: Store, alice: Api, how: str) -> None:
    admin = store.api("admin")
    async with watching(store) as hints:
        await hints.add(alice)
        await hints.reaches(alice.account, await seq(alice))
        if how == "password":
            request = account_pb2.SetPasswordRequest(request_id=rid(), account=alice.account)
            request.password.clear = "new"
            await admin.accounts.SetPassword(request)
        else:
            await admin.accounts.DeleteAccount(
                account_pb2.DeleteAccountRequest(request_id=rid(), account=alice.account)
            )
        await until(lambda: hints.ended == {alice.account})
        hints.ended.clear()
        await hints.add(alice)  # the old token again
        await until(lambda: hints.ended == {alice.account})


async def test_a_stream_leaves_nothing_behind(store: Store, alice: Api) -> None:
    listeners = store.platform.hints._listeners
    async with watching(store) as hints:
        await hints.add(alice)
        await hints.reaches(alice.account, await seq(alice))
        assert len(listeners[alice.account]) == 1
    await until(lambda: alice.account not in listeners)
    async with watching(store) as hints:
        await hints.add(alice)
        await hints.reaches(alice.account, await seq(alice))
        await hints.done_writing()  # the other way to end it
        await until(lambda: alice.account not in listeners)


@pytest.fixture
async def own_store(own_redis: RedisServer, tmp_path: Path) -> AsyncIterator[Store]:
    """A store whose Redis may be harmed."""
    async with serving(own_redis.url, tmp_path / "bodies", REDIS_TIMEOUT="1") as store:
        yield store


async def test_hints_outlive_redis(own_store: Store, own_redis: RedisServer) -> None:
    """What changed while the store heard nothing is told when it hears again."""
    alice = await own_store.login("alice")
    async with watching(own_store) as hints:
        await hints.add(alice)
        await hints.reaches(alice.account, await seq(alice))
        await asyncio.to_thread(own_redis.kill)
        await asyncio.to_thread(own_redis.start)
        await append_when_possible(alice)
        await hints.reaches(alice.account, await seq(alice))
        await alice.append(MESSAGE)
        await hints.reaches(alice.account, await seq(alice))


@pytest.fixture
def quick_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubsub, "PING_SECONDS", 0.1)


async def test_a_redis_that_hangs_is_noticed(
    quick_pings: None, own_store: Store, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-open connection would tell nothing for a quarter of an hour."""
    alice = await own_store.login("alice")
    gaps = []
    channels = own_store.platform.hints._channels
    told = channels._on_gap
    monkeypatch.setattr(channels, "_on_gap", lambda: (gaps.append(True), told()))
    async with watching(own_store) as hints:
        await hints.add(alice)
        await hints.reaches(alice.account, await seq(alice))
        own_redis.pause()
        await asyncio.sleep(1)  # longer than two pings
        own_redis.resume()
        await until(lambda: gaps)
        await append_when_possible(alice)
        await hints.reaches(alice.account, await seq(alice))


async def append_when_possible(api: Api) -> None:
    async with asyncio.timeout(TIMEOUT):
        while True:
            try:
                await api.append(MESSAGE)
                return
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.1)
