"""Redis falls back to an older copy under a running store: nobody is told of what is no longer there.

Already before the first write behind it, and also where a label of the lost time
would fit what is there now.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest

from buuta.v1 import change_pb2 as pb
from tests.store.api import Api, Store, known, rows_of, serving, uids_of
from tests.support.processes import RedisServer

MESSAGE = b"Subject: x\r\n\r\ntext\r\n"


@pytest.fixture
async def store(own_redis: RedisServer, tmp_path: Path) -> AsyncIterator[Store]:
    """A store whose Redis is this test's own."""
    async with serving(own_redis.url, tmp_path / "bodies") as store:
        yield store


async def back(api: Api) -> None:
    """Redis is there again, as this store sees it."""

    async with asyncio.timeout(60):
        while True:
            try:
                await api.mailbox()
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            else:
                return


async def test_a_restart_makes_callers_compare_once(store: Store, alice: Api, own_redis: RedisServer) -> None:
    uids = await alice.append(MESSAGE, MESSAGE)
    told = known(await alice.sync())
    assert not (await alice.sync(**told)).full
    own_redis.kill()
    own_redis.start()
    await back(alice)
    answer = await alice.sync(**told)
    assert (answer.full, list(rows_of(answer.changed))) == (True, uids)
    assert not (await alice.sync(**known(answer))).full


async def test_what_was_lost_is_told_to_nobody(
    store: Store, alice: Api, own_redis: RedisServer, tmp_path: Path
) -> None:
    """The store has the lost messages in its views."""
    kept = await alice.append(MESSAGE, MESSAGE, MESSAGE)
    own_redis.keep_copy(tmp_path / "copy")
    await back(alice)
    labels = [known(await alice.sync())]  # of the very state that comes back
    for _ in range(3):
        [lost] = await alice.append(MESSAGE)
        labels.append(known(await alice.sync()))
    held = sorted(rows_of((await alice.sync()).changed))
    own_redis.put_back(tmp_path / "copy")
    await back(alice)
    for label in [{}, *labels]:
        answer = await alice.sync(**label, known_uids=b"".join(uid.to_bytes(4, "little") for uid in held))
        assert answer.full
        assert list(rows_of(answer.changed)) == kept
        assert set(uids_of(answer.vanished)) == set(held) - set(kept)
    [new] = await alice.append(MESSAGE)
    assert new > lost
    for label in labels:
        assert (await alice.sync(**label)).full


async def test_who_idles_is_told_without_a_write(
    store: Store, alice: Api, own_redis: RedisServer, tmp_path: Path
) -> None:
    own_redis.keep_copy(tmp_path / "copy")
    await back(alice)
    await alice.append(MESSAGE)
    told = await alice.sync()
    hints: list[pb.Hint] = []
    call = store.api("imap").changes.WatchHints()

    async def heard(incarnation: bytes) -> None:
        while not any(hint.incarnation == incarnation for hint in hints):
            response = await call.read()
            hints.extend(response.hints)

    watched = pb.WatchedAccount(account=alice.account, session_token=alice.session)
    await call.write(pb.WatchHintsRequest(add=[watched]))
    async with asyncio.timeout(60):
        await heard(told.incarnation)
    own_redis.put_back(tmp_path / "copy")
    await back(alice)
    now = await alice.sync()
    assert now.incarnation != told.incarnation
    async with asyncio.timeout(60):
        await heard(now.incarnation)
    call.cancel()
