"""The index on real servers: the oldest supported Redis, the system's, and a Cluster of three nodes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.store.index.index import Index
from tests.store.index.support import MemoryNotes, Redis, opened
from tests.support.processes import RedisServer, redis7_binary, redis62_binary, redis_binary
from tests.support.redis_cluster import RedisCluster

FAST = ("--appendfsync", "no")
EAGER = ("--repl-diskless-sync-delay", "0")
DEBUG = ("--enable-debug-command", "local")  # for another replication id; Redis 6.2 does not ask


def server(kind: str, folder: Path) -> Redis:
    match kind:
        case "redis62":
            return RedisServer(folder, redis62_binary(), *FAST)
        case "redis7":
            return RedisServer(folder, redis7_binary(), *FAST, *DEBUG)
        case _:
            return RedisCluster(folder, redis7_binary(), *FAST, *DEBUG)


@pytest.fixture(scope="session", params=["redis62", "redis7", "cluster"])
def redis(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """Each supported kind of Redis; the same tests run on all of them."""
    running = server(request.param, tmp_path_factory.mktemp(request.param))
    running.start()
    yield running
    running.stop()


@pytest.fixture(name="server")
def one_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own, whose replicas follow at once."""
    running = RedisServer(tmp_path / "redis", redis_binary(), *FAST, *EAGER)
    running.start()
    yield running
    running.stop()


@pytest.fixture
async def index(redis: Redis) -> AsyncIterator[Index]:
    """The index of an empty platform, which meets its first server."""
    redis.flush()
    async with opened(redis.url, notes=MemoryNotes()) as index:
        yield index
