"""One platform a test module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.smtp.support import Platform, running_platform
from tests.support.processes import RedisServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(
    shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    shared_redis.flush()
    async with running_platform(shared_redis.url, tmp_path_factory.mktemp("bodies")) as found:
        yield found
