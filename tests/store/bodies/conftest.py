"""Both implementations of BodyStore, S3 on a real MinIO with a bucket of the test's own."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.store.bodies import BodyStore
from services.store.bodies.local import LocalBodies
from services.store.bodies.s3 import S3Bodies
from tests.support.processes import MinioServer


def s3_bodies(server: MinioServer, bucket: str) -> S3Bodies:
    return S3Bodies(server.endpoint, server.ACCESS_KEY, server.SECRET_KEY, bucket)


@pytest.fixture(params=["local", "s3"])
async def bodies(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BodyStore]:
    store: BodyStore
    if request.param == "local":
        store = LocalBodies(tmp_path / "bodies")
    else:
        store = s3_bodies(request.getfixturevalue("minio"), "b" + secrets.token_hex(8))
    await store.start()
    yield store
    await store.close()
