"""What a search reads of a mailbox: the real one and the one in memory that its tests use."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import numpy as np
import pytest

from services.common.grpc_options import CLIENT_OPTIONS
from services.store.bodies.local import LocalBodies
from services.store.index.core import Scope
from services.store.reading import MailboxSource
from services.store.search import Source, Uids
from tests.store.api import Store
from tests.store.search.test_search import Box
from tests.support.processes import RedisServer
from tests.support.store import running_store

MESSAGES = {
    1: b"From: ann@example.test\r\nSubject: one\r\n\r\nfirst text\r\n",
    2: b"From: bob@example.test\r\nSubject: two\r\n\r\nsecond text\r\n",
    3: b"From: cy@example.test\r\nSubject: three\r\n\r\n" + b"third text\r\n" * 5000,
}


@dataclass
class Side:
    source: Source
    lose: Callable[[int], Awaitable[None]]


@contextlib.asynccontextmanager
async def real(redis: RedisServer, folder: Path) -> AsyncIterator[Side]:
    async with (
        running_store(redis.url, folder) as running,
        grpc.aio.insecure_channel(running.endpoint, options=CLIENT_OPTIONS) as channel,
    ):
        store = Store(running, channel)
        alice = await store.login("alice")
        await alice.append(*MESSAGES.values())
        scope = Scope(alice.account)
        view = await store.platform.views.get(scope, 0, "INBOX")
        source = MailboxSource(store.platform, scope, view.head.mailbox.id, view.live)

        async def lose(uid: int) -> None:
            """Expunged, and collected too."""
            await alice.expunge([uid])
            bodies = store.platform.bodies
            assert isinstance(bodies, LocalBodies)
            [row] = view.live[view.live["uid"] == uid]
            await bodies.delete([row["body"].tobytes()])

        yield Side(source, lose)


@pytest.fixture(params=["real", "memory"])
async def side(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Side]:
    if request.param == "real":
        async with real(request.getfixturevalue("redis_server"), tmp_path / "bodies") as found:
            yield found
        return
    box = Box(MESSAGES)

    async def lose(uid: int) -> None:
        box.lose(uid)

    yield Side(box, lose)


def column(*uids: int) -> Uids:
    return np.array(uids, "<u4")


async def test_columns_have_a_row_per_message(side: Side) -> None:
    columns = side.source.columns
    assert columns.uids.tolist() == sorted(MESSAGES)
    assert columns.sizes.tolist() == [len(MESSAGES[uid]) for uid in sorted(MESSAGES)]
    for column, kind in (
        (columns.uids, "<u4"),
        (columns.flags, "<u8"),
        (columns.modseqs, "<u8"),
        (columns.sizes, "<u4"),
        (columns.internal_dates, "<i8"),
        (columns.save_dates, "<u4"),
    ):
        assert (column.dtype, len(column)) == (kind, len(MESSAGES))
    assert sorted(set(columns.modseqs.tolist())) == columns.modseqs.tolist()


async def test_summaries_are_those_asked_for(side: Side) -> None:
    found = [(uid, summary.size) async for uid, summary in side.source.summaries(column(1, 3))]
    assert found == [(1, len(MESSAGES[1])), (3, len(MESSAGES[3]))]
    assert [uid async for uid, _ in side.source.summaries(column())] == []


async def test_octets_are_slices(side: Side) -> None:
    for uid, start, end in ((1, 0, 10), (2, 5, 9), (3, 1000, 60_000), (3, 0, 100_000), (1, 3, 3)):
        assert await side.source.octets(uid, start, end) == MESSAGES[uid][start:end]


async def test_a_message_that_is_gone_is_left_out(side: Side) -> None:
    await side.lose(2)
    assert [uid async for uid, _ in side.source.summaries(column(1, 2, 3))] == [1, 3]
    assert await side.source.octets(2, 0, 10) == b""
    assert await side.source.octets(1, 0, 10) == MESSAGES[1][:10]
