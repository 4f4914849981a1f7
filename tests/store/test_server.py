"""The store as a server: health, reflection, readiness, and failures as statuses."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from buuta.v1.change_pb2 import WatchedAccount, WatchHintsRequest, WatchRequest
from services.common.config import SettingError
from services.store import status
from services.store.index.errors import WORDS
from services.store.server import running
from tests.store.api import Api, Store, refused, until
from tests.support.processes import RedisServer, redis_binary
from tests.support.store import RunningStore, running_store, settings

SOURCES = Path(status.__file__).parent


async def serving(endpoint: str, service: str = "") -> str:
    async with grpc.aio.insecure_channel(endpoint) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), wait_for_ready=True)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


async def test_health_and_reflection_need_no_token(store: Store) -> None:
    assert await serving(store.running.endpoint) == "SERVING"
    async with grpc.aio.insecure_channel(store.running.endpoint) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answer = await anext(aiter(stub.ServerReflectionInfo(iter([request]))))
    names = {service.name for service in answer.list_services_response.service}
    assert {f"buuta.v1.{name}Service" for name in SERVICES} | {"grpc.health.v1.Health"} <= names


SERVICES = ("Account", "Auth", "Mailbox", "Message", "Maildrop", "Delivery", "Change")


# -- readiness ------------------------------------------------------------------------------


async def test_a_store_waits_for_redis_and_serves_when_it_comes(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path / "redis", redis_binary())
    async with running(settings(redis.url, tmp_path / "bodies")) as store:
        endpoint = f"127.0.0.1:{store.port}"
        assert await serving(endpoint) == "NOT_SERVING"
        assert not store.ready.is_set()
        try:
            await asyncio.to_thread(redis.start)
            await asyncio.wait_for(store.ready.wait(), 60)
            assert await serving(endpoint) == "SERVING"
        finally:
            await asyncio.to_thread(redis.stop)


@pytest.fixture
async def harmed(own_redis: RedisServer, tmp_path: Path) -> AsyncIterator[RunningStore]:
    async with running_store(own_redis.url, tmp_path / "bodies", REDIS_TIMEOUT="1") as store:
        yield store


async def test_an_emptied_redis_is_not_the_truth(harmed: RunningStore, own_redis: RedisServer) -> None:
    async with grpc.aio.insecure_channel(harmed.endpoint) as channel:
        store = Store(harmed, channel)
        alice = await store.login("alice")
        await asyncio.to_thread(own_redis.flush)
        with refused("UNAVAILABLE", "UNAVAILABLE"):
            await alice.mailbox()
        with refused("UNAVAILABLE", "UNAVAILABLE"):
            await store.login("alice")
        await until(lambda: not harmed.store.ready.is_set())
        assert await serving(harmed.endpoint) == "NOT_SERVING"


async def test_a_redis_that_may_forget_is_refused(own_redis: RedisServer, tmp_path: Path) -> None:
    """One line that names the setting, not a trace of the store's insides."""
    async with running_store(own_redis.url, tmp_path / "bodies", ()) as store:
        connection = store.store.platform.index.connection
        await connection.servers[0].call(("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"), True)
    with pytest.raises(SettingError, match="REDIS_URL: maxmemory-policy is allkeys-lru"):
        async with running(settings(own_redis.url, tmp_path / "bodies")):
            await asyncio.Event().wait()


async def test_draining(store: Store) -> None:
    """Not serving from the first moment, and never again."""
    running_one = store.running.store
    async with grpc.aio.insecure_channel(store.running.endpoint) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        draining = asyncio.ensure_future(running_one.drain(30))
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not running_one.ready.is_set()
        watching.cancel()
        await draining


async def test_streams_of_changes_do_not_keep_a_draining_store(store: Store, alice: Api) -> None:
    """They never end by themselves: the drain would last as long as it may, at every restart."""
    hints = store.api("imap").changes.WatchHints()
    silent = store.api("imap").changes.WatchHints()  # a front end without a session
    token = WatchedAccount(account=alice.account, session_token=alice.session)
    await hints.write(WatchHintsRequest(add=[token]))
    assert (await hints.read()).hints[0].account == alice.account
    watch = alice.changes.Watch(WatchRequest(account=alice.account))
    await watch.read()  # it is in place
    await asyncio.wait_for(store.running.store.drain(3600), 60)
    for stream in (hints, silent, watch):
        assert await stream.code() == grpc.StatusCode.UNAVAILABLE


# -- failures -------------------------------------------------------------------------------


def test_every_reason_has_a_code() -> None:
    """What scripts and servicers refuse with is in the table: an unknown word would be no status."""
    words = set(WORDS) - {"INCARNATION", "GENERATION", "OPERATION_ENDED"}  # these are Unavailable
    for path in SOURCES.rglob("*.py"):
        words |= set(re.findall(r'Refused\(\s*"(\w+)"', path.read_text()))
    assert words
    assert words <= set(status.CODE_OF)


def test_what_nobody_foresaw_is_temporary_and_says_nothing() -> None:
    code, reason, text = status.status_of(ValueError("secret inside"))
    assert (code, reason, text) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", "Internal failure")


async def test_a_defect_is_told_as_temporary(
    store: Store, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("secret inside")

    monkeypatch.setattr(type(store.platform.index), "head", broken)
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await alice.mailbox()
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await alice.sync()


async def test_a_role_without_the_api_has_none(redis_server: RedisServer, tmp_path: Path) -> None:
    async with running(settings(redis_server.url, tmp_path / "bodies", ROLES="collect")) as store:
        await asyncio.wait_for(store.ready.wait(), 60)
        assert await serving(f"127.0.0.1:{store.port}") == "SERVING"
        async with grpc.aio.insecure_channel(f"127.0.0.1:{store.port}") as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await anext(aiter(stub.ServerReflectionInfo(iter([request]))))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
