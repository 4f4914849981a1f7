"""Views: bounded, refreshed by changed pages only, and always what a cold read gives."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.store import views as views_module
from services.store.collector import Collector
from services.store.index import keys, mailboxes
from services.store.index.core import Scope
from services.store.index.index import Index
from services.store.index.record import ROW, TOMBSTONE, Rows, joined, live
from services.store.views import View, Views
from tests.store.api import Api, Store, rows_of

MESSAGE = b"Subject: x\r\n\r\n"
ROOMY = 1 << 30


class Counting:
    """The index, with a note of the pages that are read."""

    def __init__(self, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pages: list[int] = []
        whole = index.pages

        async def pages(account: str, mailbox: int, numbers: Sequence[int]) -> list[Rows]:
            self.pages += numbers
            return await whole(account, mailbox, numbers)

        monkeypatch.setattr(index, "pages", pages)


async def view_of(views: Views, api: Api, name: str = "INBOX") -> View:
    return await views.get(Scope(api.account), 0, name)


async def test_only_changed_pages_are_read(store: Store, alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        await alice.append(*[MESSAGE] * 128)  # UIDs 1 to 512: pages 0 to 4
    views, counting = Views(store.platform.index, ROOMY), Counting(store.platform.index, monkeypatch)
    cold = await view_of(views, alice)
    assert counting.pages == [0, 1, 2, 3, 4]
    assert await view_of(views, alice) is cold
    rows = cold.rows
    await alice.create("Other")  # changes the account, not the mailbox
    assert (await view_of(views, alice)).rows is rows  # not put together anew
    assert counting.pages == [0, 1, 2, 3, 4]
    await alice.flag([300], 1)
    counting.pages.clear()
    warm = await view_of(views, alice)
    assert counting.pages == [2]
    assert rows_flags(warm)[300] == 1
    assert rows_flags(cold)[300] == 0  # a view never changes
    assert await alice.append(MESSAGE) == [513]
    counting.pages.clear()
    assert len((await view_of(views, alice)).rows) == 513
    assert counting.pages == [4]


def rows_flags(view: View) -> dict[int, int]:
    return dict(zip(view.rows["uid"].tolist(), view.rows["flags"].tolist(), strict=True))


async def test_the_cache_is_bounded(store: Store, alice: Api) -> None:
    for name in ("Drafts", "Sent", "Junk", "Trash"):
        await alice.append(*[MESSAGE] * 100, name=name)
    one = (await view_of(Views(store.platform.index, ROOMY), alice, "Drafts")).octets
    views = Views(store.platform.index, 2 * one)
    for name in ("Drafts", "Sent", "Drafts", "Junk"):
        await view_of(views, alice, name)
    assert views._octets <= 2 * one
    kept = {view.head.mailbox.name for view in views._views.values()}
    assert kept == {"Drafts", "Junk"}  # the one that was used least recently went
    tiny = Views(store.platform.index, 1)
    for name in ("Drafts", "Sent", "Drafts"):
        assert len((await view_of(tiny, alice, name)).rows) == 100
    assert len(tiny._views) == 1


async def test_a_large_mailbox_is_read_in_parts(
    store: Store, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_module, "PAGES_A_READ", 2)
    await alice.append(*[MESSAGE] * 700)
    found = await view_of(Views(store.platform.index, ROOMY), alice)
    assert found.rows["uid"].tolist() == list(range(1, 701))


async def test_another_incarnation_is_read_anew(store: Store, alice: Api) -> None:
    """The same numbers may stand for other things there."""
    await alice.append(MESSAGE)
    views = Views(store.platform.index, ROOMY)
    before = await view_of(views, alice)
    header = keys.account_key(alice.account)
    await store.platform.index.connection.change("HSET", header, "inc", 10**6)
    after = await view_of(views, alice)
    assert after is not before
    assert after.head.incarnation == 10**6


async def test_selecting(store: Store, alice: Api) -> None:
    await alice.append(MESSAGE, MESSAGE, MESSAGE)
    await alice.expunge([2])
    view = await view_of(Views(store.platform.index, ROOMY), alice)
    wanted = np.array([0, 2, 3, 4, 2**32 - 1], "<u4")
    assert view.select(wanted)["uid"].tolist() == [3]
    assert view.select(wanted, tombstones=True)["uid"].tolist() == [2, 3]
    assert view.select(wanted[:0])["uid"].tolist() == [1, 3]
    empty = await view_of(Views(store.platform.index, ROOMY), alice, "Drafts")
    assert empty.select(wanted)["uid"].tolist() == []
    assert empty.rows.dtype == ROW


async def test_selecting_looks_at_what_is_selected(
    store: Store, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the whole mailbox, of which one message may be asked for."""
    await alice.append(*[MESSAGE] * 500)
    await alice.expunge([200, 300])
    view = await view_of(Views(store.platform.index, ROOMY), alice)
    looked_at: list[int] = []

    def noted(rows: Rows) -> Rows:
        looked_at.append(len(rows))
        return live(rows)

    monkeypatch.setattr(views_module, "live", noted)
    for chosen in ([5], [128, 129, 200, 256], [200, 300], [499, 500, 501], [501], [300, 5, 129]):
        looked_at.clear()
        uids = np.array(chosen, "<u4")
        there = [uid for uid in chosen if uid <= 500]
        left = [uid for uid in there if uid not in (200, 300)]
        assert view.select(uids)["uid"].tolist() == left
        assert looked_at == [len(there)]
        assert view.select(uids, tombstones=True)["uid"].tolist() == there
    assert view.uids.tolist() == view.rows["uid"].tolist()
    assert view.uids.flags.c_contiguous


async def test_the_uids_follow_the_records(store: Store, alice: Api) -> None:
    await alice.append(*[MESSAGE] * 200)
    views = Views(store.platform.index, ROOMY)
    first = await view_of(views, alice)
    uids = first.uids
    assert first.octets >= first.rows.nbytes + uids.nbytes
    await alice.create("Other")  # changes the account, not the mailbox
    assert (await view_of(views, alice)).uids is uids
    await alice.append(MESSAGE)
    await alice.flag([7], 1)
    later = await view_of(views, alice)
    assert later.uids.tolist() == list(range(1, 202))
    assert later.select(np.array([7, 201], "<u4"))["flags"].tolist() == [1, 0]
    assert len(first.uids) == 200


async def test_pages_are_converted_as_they_are_read(
    store: Store, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some at a time, so that others have their turn between them."""
    await alice.append(*[MESSAGE] * 600)
    head = await store.platform.index.head(Scope(alice.account), 0, "INBOX")
    index, steps = store.platform.index, []
    connection, command, page_rows = index.connection, index.connection.command, mailboxes.page_rows

    async def read(*words: bytes | str | int) -> object:
        steps.append(f"read {len(words) - 1}")
        return await command(*words)

    def convert(number: int, page: bytes | None) -> Rows:
        steps.append("convert")
        return page_rows(number, page)

    monkeypatch.setattr(mailboxes, "PAGES_A_READ", 2)
    monkeypatch.setattr(mailboxes, "page_rows", convert)
    monkeypatch.setattr(connection, "command", read)
    found = await index.pages(alice.account, head.mailbox.id, [0, 1, 2, 3, 4])
    assert [uid for rows in found for uid in rows["uid"].tolist()] == list(range(1, 601))
    assert steps == ["read 2", *["convert"] * 2, "read 2", *["convert"] * 2, "read 1", "convert"]


def test_records_are_joined_as_they_are() -> None:
    parts = [np.frombuffer(bytes(range(84)) * size, ROW) for size in (3, 0, 5)]
    whole = joined(parts)
    assert (whole.dtype, whole.tobytes()) == (ROW, bytes(range(84)) * 8)
    assert whole.flags.writeable  # its own
    assert len(joined([])) == 0


def test_what_is_live() -> None:
    rows = np.zeros(4, ROW)
    rows["uid"] = [1, 2, 3, 4]
    assert live(rows) is rows  # none is left out: nothing is copied
    rows["flags"][1:3] = TOMBSTONE | 1
    assert live(rows)["uid"].tolist() == [1, 4]


STEPS = st.lists(
    st.tuples(st.sampled_from(["append", "flag", "expunge", "prune", "look", "rows"]), st.integers(0, 400)),
    max_size=30,
)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_warm_view_is_what_a_cold_read_gives(
    store: Store, alice: Api, steps: list[tuple[str, int]]
) -> None:
    index = store.platform.index
    warm = Views(index, ROOMY)
    collector = Collector(index, store.platform.bodies, grace=3600, retention=-60)
    for what, number in steps:
        uids = list(rows_of((await alice.sync()).changed))
        chosen = uids[number % len(uids) :][: number % 7 + 1] if uids else []
        if what == "append":
            await alice.append(*[MESSAGE] * (number % 150 + 1))
        elif what == "flag" and chosen:
            await alice.flag(chosen, number % 32, operation=number % 3 + 1)
        elif what == "expunge" and chosen:
            await alice.expunge(chosen)
        elif what == "prune":
            await collector.round()
        elif what == "look":
            await view_of(warm, alice)
        elif what == "rows":
            assert len((await view_of(warm, alice)).rows) >= len(uids)
    cold = await view_of(Views(index, ROOMY), alice)
    found = await view_of(warm, alice)
    assert found.live.tobytes() == cold.live.tobytes()
    assert found.head.mailbox.messages == len(cold.live)
