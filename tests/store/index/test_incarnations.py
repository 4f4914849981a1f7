"""Numbers of incarnations: one for each replid, whoever asks at the same time, and later ones higher."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common.errors import Unavailable
from services.store.bodies.local import LocalBodies
from services.store.index.incarnation import DAY, Incarnations
from tests.store.index.support import GENERATION, MemoryNotes

TODAY = 20_000


def store(notes: MemoryNotes | LocalBodies, today: int = TODAY) -> Incarnations:
    """What a store that has just started knows: nothing."""
    return Incarnations(notes, lambda: today * DAY + 5.0)


async def number(one: Incarnations, replid: bytes) -> int:
    return await one.number(replid, GENERATION)


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[LocalBodies]:
    bodies = LocalBodies(tmp_path)
    await bodies.start()
    await bodies.write_marker(GENERATION)
    yield bodies
    await bodies.close()


async def test_later_ones_are_higher_and_each_keeps_its_own() -> None:
    notes = MemoryNotes()
    one = store(notes)
    assert [await number(one, replid) for replid in (b"a", b"b", b"c")] == [TODAY, TODAY + 1, TODAY + 2]
    assert [await number(store(notes), replid) for replid in (b"b", b"a", b"c")] == [
        TODAY + 1,
        TODAY,
        TODAY + 2,
    ]


async def test_many_stores_at_once_end_with_one_number(folder: LocalBodies) -> None:
    """Several servers have become others at the same time, and every store meets all of them."""
    stores = [store(folder) for _ in range(8)]
    replids = [b"%040x" % place for place in range(5)]
    asked = [(one, replid) for replid in replids for one in stores for _ in range(2)]
    found = await asyncio.gather(*(number(one, replid) for one, replid in asked))
    by_replid = {replid: set(found[at * 16 : at * 16 + 16]) for at, replid in enumerate(replids)}
    assert all(len(numbers) == 1 for numbers in by_replid.values())
    assert sorted(n for numbers in by_replid.values() for n in numbers) == list(range(TODAY, TODAY + 5))
    assert sorted(await folder.notes("incarnations")) == [str(TODAY + place) for place in range(5)]


async def test_callers_of_one_moment_share_one_look() -> None:
    notes = MemoryNotes()
    for place in range(40):
        await number(store(notes), b"%d" % place)
    one, notes.reads = store(notes), 0
    assert len({await n for n in [asyncio.ensure_future(number(one, b"new")) for _ in range(50)]}) == 1
    assert notes.reads == 40
    await number(one, b"newer")
    assert notes.reads == 40  # a note never changes: it is read once


async def test_what_is_recent_is_found_without_reading_everything() -> None:
    notes = MemoryNotes()
    for place in range(100):
        await number(store(notes), b"%d" % place)
    notes.reads = 0
    assert await number(store(notes), b"98") == TODAY + 98
    assert notes.reads <= 16


@pytest.mark.parametrize(
    ("days", "expected"),
    [(0, TODAY + 1), (1, TODAY + 1), (30, TODAY + 30), (5000, TODAY + 366), (-9000, TODAY + 1)],
)
async def test_days_count_but_no_clock_is_believed_without_bounds(days: int, expected: int) -> None:
    notes = MemoryNotes()
    await number(store(notes), b"a")
    assert await number(store(notes, TODAY + days), b"b") == expected


async def test_lost_notes_do_not_begin_anew() -> None:
    """Numbers in headers are those of earlier days."""
    notes = MemoryNotes()
    given = await number(store(notes), b"a")
    notes.held.clear()
    assert await number(store(notes, TODAY + 3), b"b") > given


async def test_what_is_known_needs_no_bodies() -> None:
    notes = MemoryNotes()
    one = store(notes)
    known = await number(one, b"a")
    await one.learn("server", b"a", GENERATION)
    notes.down = True
    assert await number(one, b"a") == known
    await one.learn("another server", b"a", GENERATION)
    assert one.of("server") == one.of("another server") == (b"a", known)
    with pytest.raises(Unavailable, match="not known yet"):
        await one.learn("server", b"b", GENERATION)
    assert one.of("server") == (b"a", known)
    notes.down = False
    await one.learn("server", b"b", GENERATION)
    assert one.of("server") == (b"b", known + 1)


async def test_a_failed_look_fails_all_that_wait_for_it_and_no_later_one() -> None:
    notes = MemoryNotes()
    one = store(notes)
    notes.down = True
    failures = await asyncio.gather(*(number(one, b"a") for _ in range(5)), return_exceptions=True)
    assert [type(failure) for failure in failures] == [Unavailable] * 5
    notes.down = False
    first = asyncio.ensure_future(number(one, b"a"))
    waiting = asyncio.ensure_future(number(one, b"a"))
    await asyncio.sleep(0)
    first.cancel()  # its caller has given up
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(Unavailable):
        await waiting
    assert await number(one, b"a") == TODAY


@pytest.mark.parametrize("what", ["not mounted", "another platform's"])
async def test_no_number_is_made_in_a_strange_folder(tmp_path: Path, what: str) -> None:
    bodies = LocalBodies(tmp_path)
    await bodies.start()
    if what == "another platform's":
        await bodies.write_marker(b"another generation")
    with pytest.raises(Unavailable):
        await number(store(bodies), b"a")
    assert await bodies.notes("incarnations") == []
    await bodies.close()
