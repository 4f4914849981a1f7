"""A real store with alice and bob, on a real Redis and a folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest

from services.common.grpc_options import CLIENT_OPTIONS
from tests.store.api import Api, Store
from tests.support.processes import RedisServer
from tests.support.store import running_store


@pytest.fixture
async def store(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Store]:
    async with (
        running_store(redis_server.url, tmp_path / "bodies") as running,
        grpc.aio.insecure_channel(running.endpoint, options=CLIENT_OPTIONS) as channel,
    ):
        yield Store(running, channel)


@pytest.fixture
async def admin(store: Store) -> Api:
    return store.api("admin")


@pytest.fixture
async def alice(store: Store) -> Api:
    """An IMAP server in alice's name."""
    return await store.login("alice")
