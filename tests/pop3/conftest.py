"""One platform a test module; every test has accounts of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.pop3.support import Platform, running_platform
from tests.support.processes import RedisServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(
    shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    """Passwords in clear are allowed."""
    async with running_platform(shared_redis, tmp_path_factory.mktemp("bodies")) as found:
        yield found
