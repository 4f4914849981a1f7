"""One PUT and one GET of 4 KB through S3Bodies: what they cost this process and MinIO."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.accounting import cpu
from bench.messages import message
from bench.report import Row
from services.common.ids import new_request_id
from services.store.bodies.ids import body_id
from services.store.bodies.s3 import S3Bodies
from tests.support.processes import MinioServer, minio_binary

IN_FLIGHT = 16
SIZE = 4096
WARM_UP = 50


def run(count: int) -> list[Row]:
    """`count` bodies written, then each read once."""
    with tempfile.TemporaryDirectory(prefix="buuta-bench-") as folder:
        minio = MinioServer(Path(folder), minio_binary())
        minio.start()
        try:
            return asyncio.run(_measure(minio, count))
        finally:
            minio.stop()


async def _measure(minio: MinioServer, count: int) -> list[Row]:
    bucket = f"bench-{secrets.token_hex(4)}"
    bodies = S3Bodies(minio.endpoint, minio.ACCESS_KEY, minio.SECRET_KEY, bucket)
    await bodies.start()
    octets = message(1)[:SIZE]
    names = [body_id(new_request_id()) for _ in range(count)]

    async def put(name: bytes) -> None:
        await bodies.put_small(name, octets, {})

    async def get(name: bytes) -> None:
        assert len(await bodies.get(name)) == len(octets)

    await _all(put, [body_id(new_request_id()) for _ in range(WARM_UP)])
    rows = await _costs(minio, "PUT", put, names) + await _costs(minio, "GET", get, names)
    await bodies.close()
    return rows


async def _costs(
    minio: MinioServer, what: str, call: Callable[[bytes], Awaitable[None]], names: list[bytes]
) -> list[Row]:
    assert minio.process is not None
    server, own, began = cpu(minio.process.pid), time.process_time(), time.perf_counter()
    await _all(call, names)
    wall = time.perf_counter() - began
    own = time.process_time() - own
    server = cpu(minio.process.pid) - server
    share = 1000 / len(names)
    return [
        Row(f"S3 {what} 4 KB: CPU in the store", own * share, "ms", "", f"{len(names) / wall:,.0f}/s"),
        Row(f"S3 {what} 4 KB: CPU in MinIO", server * share, "ms"),
    ]


async def _all(call: Callable[[bytes], Awaitable[None]], names: list[bytes]) -> None:
    """Every name once, IN_FLIGHT at a time."""
    waiting = iter(names)

    async def work() -> None:
        for name in waiting:
            await call(name)

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
