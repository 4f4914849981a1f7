"""Fixtures for all tests: private redis-server and MinIO processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import MinioServer, RedisServer, minio_binary, redis_binary


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), redis_binary())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """An empty redis-server, shared by tests that do not harm it."""
    shared_redis.flush()
    return shared_redis


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A redis-server for one test, which may kill, pause or empty it."""
    server = RedisServer(tmp_path / "redis", redis_binary())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """A MinIO server, shared: use a bucket of your own."""
    server = MinioServer(tmp_path_factory.mktemp("minio"), minio_binary())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_minio(tmp_path: Path) -> Iterator[MinioServer]:
    """A MinIO server for one test, which may kill or pause it."""
    server = MinioServer(tmp_path / "minio", minio_binary())
    server.start()
    yield server
    server.stop()
