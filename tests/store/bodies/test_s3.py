"""S3Bodies: a MinIO that hangs, dies, comes back, or has lost its bucket."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from minio import Minio

from services.common.errors import Unavailable
from services.common.ids import new_request_id
from services.store.bodies.ids import body_id
from services.store.bodies.s3 import S3Bodies
from tests.store.bodies.conftest import s3_bodies
from tests.support.processes import MinioServer

# A call to a store that hangs is over by then: less than front ends wait for an answer.
DEADLINE = 20.0


async def one(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.fixture
async def own(own_minio: MinioServer) -> AsyncIterator[S3Bodies]:
    bodies = s3_bodies(own_minio, "bodies")
    await bodies.start()
    yield bodies
    await bodies.close()


async def test_a_store_that_hangs_is_unavailable_in_time(own: S3Bodies, own_minio: MinioServer) -> None:
    body = body_id(new_request_id())
    await own.put_small(body, b"before", {})
    own_minio.pause()
    calls = [own.get(body), own.put_small(body_id(new_request_id()), b"x", {}), own.delete([body])]
    calls += [own.put(lambda: body_id(new_request_id()), one(b"x"), {}), own.read_marker()]
    calls += [own.get(body) for _ in range(80)]  # more than there are threads
    async with asyncio.timeout(DEADLINE):
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {Unavailable}
    own_minio.resume()
    async with asyncio.timeout(60):
        while True:
            try:
                found = await own.get(body)
                break
            except Unavailable:
                await asyncio.sleep(0.1)
    assert found == b"before"


async def test_a_store_that_died_and_came_back(own: S3Bodies, own_minio: MinioServer) -> None:
    body = body_id(new_request_id())
    await own.put_small(body, b"durable", {})
    own_minio.kill()
    with pytest.raises(Unavailable):
        await own.get(body)
    with pytest.raises(Unavailable):
        await own.start()
    own_minio.start()
    assert await own.get(body) == b"durable"


async def test_an_upload_cut_short_by_a_crash_leaves_nothing(own: S3Bodies, own_minio: MinioServer) -> None:
    body, halfway = body_id(new_request_id()), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(3_000_000)
        halfway.set()

    upload = asyncio.ensure_future(own.put(lambda: body, slowly(), {}))
    await asyncio.wait_for(halfway.wait(), 60)
    own_minio.kill()
    try:
        await upload
        acknowledged = True
    except Unavailable:
        acknowledged = False
    own_minio.start()
    pieces = [piece async for piece in own.read(body)] if acknowledged else []
    client = Minio(
        endpoint=f"127.0.0.1:{own_minio.port}",
        access_key=own_minio.ACCESS_KEY,
        secret_key=own_minio.SECRET_KEY,
        secure=False,
    )
    sizes = [found.size for found in client.list_objects(bucket_name="bodies", recursive=True)]
    assert set(sizes) <= {12_000_000}
    assert sum(map(len, pieces)) == (12_000_000 if acknowledged else 0)


async def test_a_bucket_that_is_not_there_is_no_missing_body(minio: MinioServer) -> None:
    bodies = s3_bodies(minio, "b" + secrets.token_hex(8))
    with pytest.raises(Unavailable):
        await bodies.get(body_id(new_request_id()))
    with pytest.raises(Unavailable):
        await bodies.put_small(body_id(new_request_id()), b"x", {})
    await bodies.close()


async def test_wrong_keys_are_unavailable(minio: MinioServer) -> None:
    bodies = S3Bodies(minio.endpoint, minio.ACCESS_KEY, "not the secret", "bodies")
    with pytest.raises(Unavailable):
        await bodies.start()
    await bodies.close()
