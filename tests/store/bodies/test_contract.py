"""The contract of BodyStore, passed by every implementation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from services.common.ids import new_request_id
from services.store.bodies import CHUNK, BodyMissing, BodyStore
from services.store.bodies.ids import body_id

LARGE = bytes(range(251)) * 50_000  # more than two parts of an S3 upload
METADATA = {"format": "1"}


def new_body() -> bytes:
    return body_id(new_request_id())


async def chunks_of(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read_all(bodies: BodyStore, body: bytes, offset: int = 0, length: int | None = None) -> bytes:
    pieces = [piece async for piece in bodies.read(body, offset, length)]
    assert all(0 < len(piece) <= CHUNK for piece in pieces)
    return b"".join(pieces)


@pytest.mark.parametrize("data", [b"", b"x", b"Subject: s\r\n\r\ntext\r\n", bytes(70_000)])
async def test_what_is_put_is_got(bodies: BodyStore, data: bytes) -> None:
    body = new_body()
    await bodies.put_small(body, data, METADATA)
    assert await bodies.get(body) == data
    assert await read_all(bodies, body) == data


@pytest.mark.parametrize("data", [b"", b"a small one", LARGE], ids=["empty", "small", "large"])
async def test_a_stream_is_kept_whole_under_the_name_it_asks_for_last(bodies: BodyStore, data: bytes) -> None:
    body, ended = new_body(), False

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal ended
        async for chunk in chunks_of(data):
            yield chunk
        ended = True

    def name() -> bytes:
        assert ended
        return body

    assert await bodies.put(name, chunks(), METADATA) == body
    assert await read_all(bodies, body) == data


RANGES = [(0, None), (0, 10), (1, 1), (200, 7), (990, 10), (990, 100), (1000, None), (1000, 5), (5000, 5)]


@pytest.mark.parametrize(("offset", "length"), [*RANGES, (3, 0), (0, 0), (2000, None)])
async def test_a_range_is_what_a_slice_is(bodies: BodyStore, offset: int, length: int | None) -> None:
    body, data = new_body(), bytes(range(250)) * 4
    await bodies.put_small(body, data, METADATA)
    expected = data[offset:] if length is None else data[offset : offset + length]
    assert await bodies.get(body, offset, length) == expected
    assert await read_all(bodies, body, offset, length) == expected


async def test_a_range_of_an_empty_body_is_empty(bodies: BodyStore) -> None:
    body = new_body()
    await bodies.put_small(body, b"", METADATA)
    assert await bodies.get(body, 0, 10) == b""
    assert await read_all(bodies, body, 0, 10) == b""


async def test_ranges_of_a_large_body(bodies: BodyStore) -> None:
    body = await bodies.put(new_body, chunks_of(LARGE), METADATA)
    assert await read_all(bodies, body, 5_000_000, 1_000_001) == LARGE[5_000_000:6_000_001]
    assert await bodies.get(body, len(LARGE) - 5) == LARGE[-5:]


async def test_a_reader_may_stop_early(bodies: BodyStore) -> None:
    body = await bodies.put(new_body, chunks_of(LARGE), METADATA)
    for _ in range(40):  # more than there are threads or connections
        async with aclosing(bodies.read(body)) as pieces:
            assert LARGE.startswith(await anext(pieces))
    assert await bodies.get(body, 0, 10) == LARGE[:10]


@pytest.mark.parametrize("length", [None, 0, 10])
async def test_a_body_that_is_not_there(bodies: BodyStore, length: int | None) -> None:
    with pytest.raises(BodyMissing):
        await bodies.get(new_body(), 0, length)
    with pytest.raises(BodyMissing):
        await read_all(bodies, new_body(), 0, length)


async def test_deleted_bodies_are_missing_and_others_stay(bodies: BodyStore) -> None:
    gone, never, kept = new_body(), new_body(), new_body()
    for body in (gone, kept):
        await bodies.put_small(body, b"text", METADATA)
    await bodies.delete([gone, never])
    await bodies.delete([gone])
    with pytest.raises(BodyMissing):
        await bodies.get(gone)
    assert await bodies.get(kept) == b"text"


async def test_a_repeated_upload_is_the_same_body(bodies: BodyStore) -> None:
    """A retry that crosses the first try, or comes after it, does no harm."""
    body, data = new_body(), LARGE[:3_000_000]
    puts = [
        bodies.put(lambda: body, chunks_of(data, size), METADATA) for size in (70_000, 300_000, 1_000_000)
    ]
    assert await asyncio.gather(*puts) == [body] * 3
    await bodies.put_small(body, data, METADATA)
    assert await read_all(bodies, body) == data


async def test_a_source_that_fails_leaves_nothing(bodies: BodyStore) -> None:
    body = new_body()

    async def failing() -> AsyncIterator[bytes]:
        yield LARGE[:2_000_000]
        raise ConnectionAbortedError("the sender has gone")

    with pytest.raises(ConnectionAbortedError):
        await bodies.put(lambda: body, failing(), METADATA)
    with pytest.raises(BodyMissing):
        await bodies.get(body)


async def test_an_upload_that_is_given_up_leaves_nothing(bodies: BodyStore) -> None:
    body, halfway = new_body(), asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield LARGE[:2_000_000]
        halfway.set()
        await asyncio.Event().wait()

    upload = asyncio.ensure_future(bodies.put(lambda: body, stalling(), METADATA))
    await asyncio.wait_for(halfway.wait(), 30)
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    with pytest.raises(BodyMissing):
        await bodies.get(body)


async def test_many_at_a_time(bodies: BodyStore) -> None:
    found = {new_body(): b"text %d" % number for number in range(200)}
    await asyncio.gather(*(bodies.put_small(body, data, METADATA) for body, data in found.items()))
    assert await asyncio.gather(*(bodies.get(body) for body in found)) == list(found.values())


async def test_the_marker_is_written_once(bodies: BodyStore) -> None:
    assert await bodies.read_marker() is None
    await bodies.write_marker(b"first")
    await bodies.write_marker(b"second")
    assert await bodies.read_marker() == b"first"


async def test_starting_again_keeps_what_is_there(bodies: BodyStore) -> None:
    body = new_body()
    await bodies.put_small(body, b"text", METADATA)
    await bodies.start()
    assert await bodies.get(body) == b"text"
