"""The platforms that IMAP dialogues are played against."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.imap.support import Platform, running_platform
from tests.support.processes import RedisServer


@pytest_asyncio.fixture
async def platform(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Platform]:
    async with running_platform(redis_server.url, tmp_path, plaintext=True) as platform:
        yield platform


@pytest_asyncio.fixture
async def strict_platform(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Platform]:
    """Takes no password without TLS."""
    async with running_platform(redis_server.url, tmp_path, plaintext=False) as platform:
        yield platform
