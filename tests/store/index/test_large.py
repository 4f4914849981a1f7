"""Commands on more messages than one script takes: interrupted in the middle, repeated, undone.

RFC 9051 §6.4.7: a COPY is done whole or not at all. STORE, EXPUNGE and MOVE may stop
between two messages, and go on when they are repeated.
"""

from collections.abc import AsyncIterator
from functools import partial

import numpy as np
import pytest

from services.common.errors import Refused, Unavailable
from services.store.index import keys
from services.store.index.core import Scope
from services.store.index.index import Index
from services.store.index.messages import OPERATION_LEASE_MS, FlagChange
from services.store.index.record import FLAGGED, SEEN, U32, live
from tests.store.index.interrupted import Interrupted
from tests.store.index.support import (
    Redis,
    fill,
    header,
    keys_of,
    message,
    new_account,
    opened,
    records,
    request,
)

COPIES, FLAGS = 2500, 2600  # three steps each


@pytest.fixture
async def line(redis: Redis) -> Interrupted:
    redis.flush()
    return Interrupted(redis.url)


@pytest.fixture
async def index(line: Interrupted, redis: Redis) -> AsyncIterator[Index]:
    async with opened(redis.url, line) as index:
        yield index


@pytest.fixture
def much_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector's clock is behind the end of every lease."""
    monkeypatch.setattr("services.store.index.collect._now", lambda: 2**45)


async def live_uids(index: Index, scope: Scope, name: str) -> list[int]:
    found: list[int] = live(await records(index, scope, name))["uid"].tolist()
    return found


async def operations(index: Index, scope: Scope) -> list[bytes]:
    tag = keys.tag(keys.shard_of(scope.account))
    return [key for key in await keys_of(index, tag) if key.startswith((tag + b":op:", tag + b":ops"))]


async def change_places(index: Index, scope: Scope) -> None:
    """What was called a is called b, and another mailbox a."""
    await index.rename_mailbox(scope, request(), "a", "b")
    await index.create_mailbox(scope, request(), "a", 0)


def all_of(count: int) -> U32:
    return np.arange(1, count + 1, dtype="<u4")


# -- COPY ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lost_reply", [False, True])
async def test_an_interrupted_copy_goes_on_when_repeated(
    index: Index, line: Interrupted, lost_reply: bool
) -> None:
    scope, by = await new_account(index), request()
    which = await fill(index, scope, COPIES)
    line.break_at("message_copy", 2, lost_reply)
    with pytest.raises(Unavailable):
        await index.copy(scope, by, 1, which, "Trash", move=False)
    assert len(await live_uids(index, scope, "Trash")) == (2048 if lost_reply else 1024)
    assert len(await operations(index, scope)) == 2
    done = await index.copy(scope, by, 1, which, "Trash", move=False)
    assert done.source_uids.tolist() == which.tolist()
    assert done.destination_uids.tolist() == all_of(COPIES).tolist()
    assert await live_uids(index, scope, "Trash") == all_of(COPIES).tolist()
    assert await operations(index, scope) == []
    counts = (await keys_of(index))[keys.account_key(scope.account) + b":b"]
    assert list(counts.values()) == [b"2"] * COPIES
    again = await index.copy(scope, by, 1, which, "Trash", move=False)
    assert again.destination_uids.tolist() == done.destination_uids.tolist()
    assert (await header(index, scope, "Trash")).messages == COPIES


async def test_a_copy_that_nobody_finishes_is_undone(
    index: Index, line: Interrupted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope, by = await new_account(index), request()
    which = await fill(index, scope, COPIES)
    line.break_at("message_copy", 3)
    with pytest.raises(Unavailable):
        await index.copy(scope, by, 1, which, "Trash", move=False)
    shard = keys.shard_of(scope.account)
    await index.undo_operations(shard)
    assert len(await live_uids(index, scope, "Trash")) == 2048, "its lease goes on"
    monkeypatch.setattr("services.store.index.collect._now", lambda: 2**45)
    await index.undo_operations(shard)
    assert await live_uids(index, scope, "Trash") == []
    assert (await header(index, scope, "Trash")).messages == 0
    assert await operations(index, scope) == []
    found = await keys_of(index)
    assert keys.account_key(scope.account) + b":b" not in found
    assert await index.garbage(shard, 2**45) == []
    assert await live_uids(index, scope, "INBOX") == which.tolist()
    # A repeat does not claim that the steps before the undo are there.
    with pytest.raises(Unavailable):
        await index.copy(scope, by, 1, which, "Trash", move=False)
    assert await live_uids(index, scope, "Trash") == []
    done = await index.copy(scope, request(), 1, which, "Trash", move=False)
    assert await live_uids(index, scope, "Trash") == done.destination_uids.tolist()


async def test_the_lease_is_longer_than_retries() -> None:
    """Request ids are taken for ten minutes (context.py), and a call ends within a few."""
    assert OPERATION_LEASE_MS > (10 + 5) * 60 * 1000


async def test_a_copy_that_is_refused_in_the_middle_is_undone(index: Index) -> None:
    """The keywords of the last messages do not fit."""
    scope = await new_account(index)
    await index.append(scope, request(), "Trash", [message(0, [f"word{n}" for n in range(48)])])
    await fill(index, scope, 1500)
    await index.append(scope, request(), 1, [message(0, ["one more"])])
    with pytest.raises(Refused) as refused:
        await index.copy(scope, request(), 1, all_of(1501), "Trash", move=False)
    assert refused.value.reason == "LIMIT"
    assert await live_uids(index, scope, "Trash") == [1]
    assert await operations(index, scope) == []
    assert keys.account_key(scope.account) + b":b" not in await keys_of(index)


@pytest.mark.parametrize("move", [False, True])
async def test_a_destination_that_goes_in_the_middle(index: Index, line: Interrupted, move: bool) -> None:
    scope = await new_account(index)
    which = await fill(index, scope, COPIES)
    await index.create_mailbox(scope, request(), "a", 0)

    async def delete() -> None:
        await index.delete_mailbox(scope, request(), "a")

    line.break_at("message_copy", 2)
    line.instead = delete
    with pytest.raises(Refused) as refused:
        await index.copy(scope, request(), 1, which, "a", move)
    assert refused.value.reason == "DESTINATION_NOT_FOUND"
    assert await operations(index, scope) == []
    assert len(await live_uids(index, scope, "INBOX")) == COPIES - (1024 if move else 0)
    shard = keys.shard_of(scope.account)
    await index.purge(shard)
    assert len(await index.garbage(shard, 2**45)) == (200 if move else 0), "200 is the most it tells at once"
    assert keys.account_key(scope.account) + b":b" not in await keys_of(index)


@pytest.mark.parametrize("move", [False, True])
async def test_a_destination_whose_name_goes_to_another_mailbox(
    index: Index, line: Interrupted, move: bool
) -> None:
    """What the name stood for at the beginning has all of them."""
    scope = await new_account(index)
    which = await fill(index, scope, COPIES)
    await index.create_mailbox(scope, request(), "a", 0)

    line.break_at("message_copy", 2)
    line.instead = partial(change_places, index, scope)
    done = await index.copy(scope, request(), 1, which, "a", move)
    assert done.destination_uids.tolist() == await live_uids(index, scope, "b") == all_of(COPIES).tolist()
    assert done.uidvalidity == (await header(index, scope, "b")).uidvalidity
    assert await live_uids(index, scope, "a") == []


@pytest.mark.usefixtures("much_later")
async def test_an_undo_takes_nothing_of_another_mailbox(index: Index, line: Interrupted) -> None:
    scope = await new_account(index)
    which = await fill(index, scope, COPIES)
    await index.create_mailbox(scope, request(), "a", 0)

    async def overtaken() -> None:
        await change_places(index, scope)
        await index.append(scope, request(), "a", [message(0), message(0)])
        line.instead = None
        line.break_at("message_copy", 1)

    line.break_at("message_copy", 2)
    line.instead = overtaken
    with pytest.raises(Unavailable):
        await index.copy(scope, request(), 1, which, "a", move=False)
    await index.undo_operations(keys.shard_of(scope.account))
    assert await live_uids(index, scope, "b") == []
    assert await live_uids(index, scope, "a") == [1, 2]


@pytest.mark.usefixtures("much_later")
async def test_an_interrupted_undo_is_not_forgotten(index: Index, line: Interrupted) -> None:
    """A repeat does not go on behind what is gone, though what was in its way is gone, too."""
    scope, by = await new_account(index), request()
    which = await fill(index, scope, COPIES)

    async def refuse() -> None:
        line.instead = None
        line.break_at("operation_end", 1)
        raise Refused("LIMIT", "in the middle")

    line.break_at("message_copy", 2)
    line.instead = refuse
    with pytest.raises(Unavailable):
        await index.copy(scope, by, 1, which, "Trash", move=False)
    assert await live_uids(index, scope, "Trash") == []
    for _ in range(2):
        with pytest.raises(Unavailable):
            await index.copy(scope, by, 1, which, "Trash", move=False)
        assert await live_uids(index, scope, "Trash") == []
        await index.undo_operations(keys.shard_of(scope.account))
        assert await operations(index, scope) == []


async def test_a_copy_that_a_repeat_has_finished_is_not_undone(index: Index, line: Interrupted) -> None:
    scope, by = await new_account(index), request()
    which = await fill(index, scope, COPIES)

    async def overtaken() -> None:
        line.instead = None
        await index.copy(scope, by, 1, which, "Trash", move=False)
        raise Refused("LIMIT", "in the middle")

    line.break_at("message_copy", 2)
    line.instead = overtaken
    with pytest.raises(Refused):
        await index.copy(scope, by, 1, which, "Trash", move=False)
    assert await live_uids(index, scope, "Trash") == all_of(COPIES).tolist()


@pytest.mark.parametrize("gone", ["mailbox", "account"])
@pytest.mark.usefixtures("much_later")
async def test_nothing_is_left_to_undo(index: Index, line: Interrupted, gone: str) -> None:
    """The collector must not stumble over it for ever."""
    scope = await new_account(index)
    which = await fill(index, scope, COPIES)
    await index.create_mailbox(scope, request(), "a", 0)
    line.break_at("message_copy", 2)
    with pytest.raises(Unavailable):
        await index.copy(scope, request(), 1, which, "a", move=False)
    if gone == "mailbox":
        await index.delete_mailbox(scope, request(), "a")
    else:
        await index.delete_account(request().id, scope.account)
    await index.undo_operations(keys.shard_of(scope.account))
    assert await operations(index, scope) == []


# -- MOVE, STORE, EXPUNGE -------------------------------------------------------------------


@pytest.mark.parametrize("lost_reply", [False, True])
@pytest.mark.usefixtures("much_later")
async def test_an_interrupted_move_leaves_each_message_in_one_place(
    index: Index, line: Interrupted, lost_reply: bool
) -> None:
    scope, by = await new_account(index), request()
    which = await fill(index, scope, COPIES)
    line.break_at("message_copy", 2, lost_reply)
    with pytest.raises(Unavailable):
        await index.copy(scope, by, 1, which, "Trash", move=True)
    moved = 2048 if lost_reply else 1024
    assert await live_uids(index, scope, "INBOX") == which.tolist()[moved:]
    assert await live_uids(index, scope, "Trash") == which.tolist()[:moved]
    done = await index.copy(scope, by, 1, which, "Trash", move=True)
    assert done.source_uids.tolist() == which.tolist()
    assert await live_uids(index, scope, "INBOX") == []
    assert await live_uids(index, scope, "Trash") == done.destination_uids.tolist() == which.tolist()
    await index.undo_operations(keys.shard_of(scope.account))
    assert await live_uids(index, scope, "Trash") == which.tolist()


@pytest.mark.usefixtures("much_later")
async def test_a_move_that_nobody_finishes_stays_as_it_is(index: Index, line: Interrupted) -> None:
    scope = await new_account(index)
    which = await fill(index, scope, COPIES)
    line.break_at("message_copy", 2)
    with pytest.raises(Unavailable):
        await index.copy(scope, request(), 1, which, "Trash", move=True)
    await index.undo_operations(keys.shard_of(scope.account))
    assert await operations(index, scope) == []
    assert len(await live_uids(index, scope, "Trash")) == 1024
    assert len(await live_uids(index, scope, "INBOX")) == COPIES - 1024


@pytest.mark.parametrize("lost_reply", [False, True])
async def test_an_interrupted_store_goes_on_when_repeated(
    index: Index, line: Interrupted, lost_reply: bool
) -> None:
    scope, by = await new_account(index), request()
    which = await fill(index, scope, FLAGS)
    change = FlagChange(1, FLAGGED, ["a"], unchanged_since=6 + FLAGS)
    line.break_at("message_flags", 2, lost_reply)
    with pytest.raises(Unavailable):
        await index.update_flags(scope, by, 1, which, change)
    flagged = (await records(index, scope))["flags"] != 0
    assert int(flagged.sum()) == (2048 if lost_reply else 1024)
    done = await index.update_flags(scope, by, 1, which, change)
    assert done.uids.tolist() == which.tolist()
    assert done.modified.tolist() == []
    assert set(done.flags.tolist()) == {FLAGGED | 1 << 16}
    rows = await records(index, scope)
    assert sorted(set(rows["modseq"].tolist())) == [6 + FLAGS + n for n in (1, 2, 3)]
    assert (await index.head(scope, 1, "")).seq == 6 + FLAGS + 3


@pytest.mark.parametrize("lost_reply", [False, True])
async def test_an_interrupted_expunge_goes_on_when_repeated(
    index: Index, line: Interrupted, lost_reply: bool
) -> None:
    scope, by = await new_account(index), request()
    which = await fill(index, scope, FLAGS, flags=SEEN)
    line.break_at("message_expunge", 2, lost_reply)
    with pytest.raises(Unavailable):
        await index.expunge(scope, by, 1, which, force=True)
    assert (await header(index, scope)).messages == FLAGS - (2048 if lost_reply else 1024)
    _, gone = await index.expunge(scope, by, 1, which, force=True)
    assert gone.tolist() == which.tolist()
    assert (await header(index, scope)).messages == 0


async def test_a_repeated_expunge_of_what_is_left(index: Index, line: Interrupted) -> None:
    """Who says "all" works the UIDs out anew."""
    scope, by = await new_account(index), request()
    which = await fill(index, scope, FLAGS)
    line.break_at("message_expunge", 2)
    with pytest.raises(Unavailable):
        await index.expunge(scope, by, 1, which, force=True)
    left = await live_uids(index, scope, "INBOX")
    assert len(left) == FLAGS - 1024
    _, gone = await index.expunge(scope, by, 1, np.array(left, dtype="<u4"), force=True)
    assert gone.tolist() == left
    assert (await header(index, scope)).messages == 0


async def test_the_closing_of_a_large_maildrop_can_be_repeated(index: Index, line: Interrupted) -> None:
    """Also when all was done, and only the reply was lost: the lock is given back then."""
    scope, by, lock = await new_account(index), request(), b"1" * 16
    which = await fill(index, scope, FLAGS)
    await index.lock_maildrop(scope, lock, 60_000, renew=False)
    line.break_at("message_expunge", 3, lost_reply=True)
    with pytest.raises(Unavailable):
        await index.expunge(scope, by, 1, which, force=True, lock=lock)
    assert await index.connection.command("GET", keys.account_key(scope.account) + b":lock") is None
    _, gone = await index.expunge(scope, by, 1, which, force=True, lock=lock)
    assert gone.tolist() == which.tolist()


async def test_a_large_maildrop_whose_lock_was_lost_in_the_middle(index: Index, line: Interrupted) -> None:
    scope, lock = await new_account(index), b"1" * 16
    which = await fill(index, scope, FLAGS)
    await index.lock_maildrop(scope, lock, 60_000, renew=False)

    async def lose() -> None:
        await index.connection.change("SET", keys.account_key(scope.account) + b":lock", b"2" * 16)

    line.break_at("message_expunge", 2)
    line.instead = lose
    with pytest.raises(Refused) as refused:
        await index.expunge(scope, request(), 1, which, force=True, lock=lock)
    assert refused.value.reason == "MAILDROP_LOCK_LOST"
    assert (await header(index, scope)).messages == FLAGS - 1024
    assert await index.connection.command("GET", keys.account_key(scope.account) + b":lock") == b"2" * 16


async def test_steps_without_messages(index: Index) -> None:
    """Where the messages of a step are all gone, the next ones are still done."""
    scope = await new_account(index)
    await fill(index, scope, 10)
    which = np.concatenate([all_of(10), np.arange(1000, 3500, dtype="<u4")])
    done = await index.copy(scope, request(), 1, which, "Trash", move=False)
    assert done.source_uids.tolist() == all_of(10).tolist()
    assert await operations(index, scope) == []
