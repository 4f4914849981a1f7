"""A real store with alice and bob, on a real Redis and a folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.store.api import Api, Store, serving
from tests.support.processes import RedisServer


@pytest.fixture
async def store(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Store]:
    async with serving(redis_server.url, tmp_path / "bodies") as store:
        yield store


@pytest.fixture
async def admin(store: Store) -> Api:
    return store.api("admin")


@pytest.fixture
async def alice(store: Store) -> Api:
    """An IMAP server in alice's name."""
    return await store.login("alice")
