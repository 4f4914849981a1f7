"""Notes beside the bodies: created once and by one, whoever tries at the same time; never changed."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.common.errors import Unavailable
from services.store.bodies import BodyStore
from services.store.bodies.local import LocalBodies
from tests.store.bodies.conftest import s3_bodies
from tests.support.processes import MinioServer

Make = Callable[[], BodyStore]


@pytest.fixture(params=["local", "s3"])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    """Makes stores that share one place, as several processes do."""
    made: list[BodyStore] = []
    bucket = "b" + secrets.token_hex(8)

    def another() -> BodyStore:
        if request.param == "local":
            made.append(LocalBodies(tmp_path / "bodies"))
        else:
            made.append(s3_bodies(request.getfixturevalue("minio"), bucket))
        return made[-1]

    await another().start()
    yield another
    for store in made:
        await store.close()


async def test_a_note_is_created_once(bodies: BodyStore) -> None:
    assert await bodies.read_note("folder/1") is None
    assert await bodies.create_note("folder/1", b"first")
    assert not await bodies.create_note("folder/1", b"second")
    assert not await bodies.create_note("folder/1", b"first")
    assert await bodies.read_note("folder/1") == b"first"


async def test_of_many_stores_one_creates_it(make: Make) -> None:
    stores = [make() for _ in range(5)]
    for name in ("folder/1", "folder/2", "folder/3"):
        said = [secrets.token_hex(20).encode() for _ in range(20)]
        tries = (stores[place % 5].create_note(name, data) for place, data in enumerate(said))
        created = await asyncio.gather(*tries)
        assert created.count(True) == 1
        kept = said[created.index(True)]
        assert [await store.read_note(name) for store in stores] == [kept] * 5


async def test_a_folder_tells_all_its_names(bodies: BodyStore) -> None:
    assert await bodies.notes("folder") == []
    names = {str(number) for number in range(1100)}  # more than S3 tells at a time
    await asyncio.gather(*(bodies.create_note(f"folder/{name}", b"x") for name in names))
    assert await bodies.create_note("alone", b"x")
    assert await bodies.create_note("folders/7", b"x")
    found = await bodies.notes("folder")
    assert (len(found), set(found)) == (1100, names)


async def test_a_place_that_is_gone_is_no_missing_note(tmp_path: Path, minio: MinioServer) -> None:
    bodies = s3_bodies(minio, "b" + secrets.token_hex(8))  # never started: there is no bucket
    for attempt in (
        bodies.read_note("folder/1"),
        bodies.notes("folder"),
        bodies.create_note("folder/1", b"x"),
    ):
        with pytest.raises(Unavailable):
            await attempt
    await bodies.close()
    local = LocalBodies(tmp_path / "nowhere")
    with pytest.raises(Unavailable):
        await local.create_note("folder/1", b"x")
    await local.close()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_note_leaves_nothing_half_done(tmp_path: Path) -> None:
    bodies = LocalBodies(tmp_path)
    await bodies.start()
    for _ in range(2):
        await bodies.create_note("folder/1", b"x")
    assert files(tmp_path) == [tmp_path / "folder" / "1"]
    await bodies.close()
