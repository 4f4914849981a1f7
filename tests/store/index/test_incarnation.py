"""After a failover or a restore Redis may have lost writes: what was given to messages is not given again."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from services.store.index import keys
from services.store.index.core import Scope
from services.store.index.index import Index
from services.store.index.mailboxes import Head
from services.store.index.messages import FlagChange
from services.store.index.record import SEEN
from tests.store.index.support import (
    Redis,
    fill,
    header,
    keys_of,
    log_length,
    message,
    new_account,
    opened,
    records,
    request,
    uids,
)
from tests.support.processes import RedisServer, redis7_binary, redis62_binary


def jumps(incarnation: bytes) -> tuple[int, int]:
    """How far seq and UIDs jump when an incarnation first writes: its own multiple of 2^20 and 10,000."""
    mark = int(incarnation[:4], 16)
    return 2**20 * (1 + mark), 10_000 * (1 + mark % 64)


def gaps(head: Head) -> list[list[int]]:
    return [list(map(int, pair)) for pair in np.frombuffer(head.gaps, "<u8").reshape(-1, 2)]


async def test_the_first_write_of_an_incarnation_jumps(index: Index, redis: Redis) -> None:
    scope = await new_account(index)
    await fill(index, scope, 2)
    before = await index.head(scope, 1, "")
    redis.new_incarnation()
    assert (await index.head(scope, 1, "")).seq == 8
    new = await fill(index, scope, 1)
    after = await index.head(scope, 1, "")
    seq_jump, uid_jump = jumps(after.incarnation)
    assert new.tolist() == [3 + uid_jump]
    assert (after.seq, after.mailbox.modseq) == (8 + seq_jump + 1,) * 2
    assert after.incarnation != before.incarnation
    assert gaps(after) == [[8, 8 + seq_jump]]
    assert [after.in_gap(seq) for seq in (8, 9, 8 + seq_jump, after.seq)] == [False, True, True, False]
    assert (await fill(index, scope, 1)).tolist() == [4 + uid_jump]
    assert (await index.head(scope, 1, "")).seq == after.seq + 1


async def test_every_mailbox_jumps_at_its_own_first_write(index: Index, redis: Redis) -> None:
    scope = await new_account(index)
    await fill(index, scope, 1)
    await fill(index, scope, 1, "Junk")
    redis.new_incarnation()
    await index.copy(scope, request(), 1, uids(1), "Trash", move=False)
    boxes = [(await header(index, scope, name)).uidnext for name in ("INBOX", "Trash", "Junk")]
    head = await index.head(scope, 1, "")
    _, uid_jump = jumps(head.incarnation)
    assert boxes == [2 + uid_jump, 2 + uid_jump, 2]
    assert (await fill(index, scope, 1, "Junk")).tolist() == [2 + uid_jump]
    assert len(gaps(head)) == 1


async def test_a_new_mailbox_has_a_uidvalidity_that_no_lost_one_had(index: Index, redis: Redis) -> None:
    """Many mailboxes made in one second are numbered ahead of the clock."""
    scope = await new_account(index)
    for name in ("a", "b", "c"):
        await index.create_mailbox(scope, request(), name, 0)
    before = (await header(index, scope, "c")).uidvalidity
    redis.new_incarnation()
    await index.create_mailbox(scope, request(), "d", 0)
    made = await header(index, scope, "d")
    assert made.uidvalidity > before + 10_000
    assert made.id > 2**20


async def test_what_changes_nothing_does_not_jump(index: Index, redis: Redis) -> None:
    scope = await new_account(index)
    await fill(index, scope, 1, flags=SEEN)
    before, length = await keys_of(index), await log_length(index, scope)
    redis.new_incarnation()
    flags = await index.update_flags(scope, request(), 1, uids(1), FlagChange(1, SEEN))
    assert flags.seq == 7
    assert (await index.expunge(scope, request(), 1, uids(1)))[0] == 7
    assert (await index.copy(scope, request(), 1, uids(5), "Trash", move=True)).seq == 7
    lock = b"1" * 16
    await index.lock_maildrop(scope, lock, 60_000, renew=False)
    assert (await index.expunge(scope, request(), 1, uids(7), force=True, lock=lock))[0] == 7
    assert (await keys_of(index), await log_length(index, scope)) == (before, length)
    assert await index.claim_recent(scope, request(), 1) == 1
    head = await index.head(scope, 1, "")
    assert (head.seq, head.mailbox.uidnext, head.mailbox.recent_from) == (7, 2, 2)


async def test_the_list_of_gaps_is_bounded(index: Index, redis: Redis) -> None:
    scope = await new_account(index)
    seq, uid, ends, expected = 6, 1, [], []
    for _ in range(70):
        redis.new_incarnation()
        done = await index.append(scope, request(), 1, [message()])
        seq_jump, uid_jump = jumps((await index.head(scope, 1, "")).incarnation)
        seq, uid = seq + seq_jump + 1, uid + uid_jump
        assert done.seq == seq
        ends.append(seq - 1)
        expected.append(uid)
        uid += 1
    head = await index.head(scope, 1, "")
    found = gaps(head)
    assert len(found) == 64
    assert found[0] == [6, ends[6]]
    assert [end for _, end in found] == ends[6:]
    assert head.in_gap(7)
    assert not head.in_gap(head.seq)
    assert (await records(index, scope))["uid"].tolist() == expected


# -- real restarts ----------------------------------------------------------------------------


@pytest.fixture(params=["redis62", "redis7"])
def durable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own, with every write on disk before it is answered."""
    binary = redis62_binary() if request.param == "redis62" else redis7_binary()
    server = RedisServer(tmp_path / "redis", binary)
    server.start()
    yield server
    server.stop()


def keep_copy(server: RedisServer, place: Path) -> None:
    """A copy of its files, and it goes on."""
    server.stop()
    shutil.copytree(server.folder, place)
    server.start()


def put_back(server: RedisServer, place: Path) -> None:
    """Its files as they were; what was written since is lost."""
    server.stop()
    shutil.rmtree(server.folder)
    shutil.copytree(place, server.folder)
    server.start()


def incarnation_of(server: RedisServer) -> bytes:
    found = re.search(rb"master_replid:(\w+)", server.ask("INFO", "replication"))
    assert found is not None
    return found[1]


async def test_a_restart_loses_nothing_and_is_a_new_incarnation(durable: RedisServer) -> None:
    async with opened(durable.url) as index:
        scope = await new_account(index)
        await fill(index, scope, 3)
        before = await keys_of(index)
    durable.kill()
    durable.start()
    async with opened(durable.url, mark=False) as index:
        assert await keys_of(index) == before
        new = await fill(index, scope, 1)
        head = await index.head(scope, 1, "")
        seq_jump, uid_jump = jumps(head.incarnation)
        assert new.tolist() == [4 + uid_jump]
        assert gaps(head) == [[9, 9 + seq_jump]]


async def test_an_older_copy_gives_nothing_twice(durable: RedisServer, tmp_path: Path) -> None:
    """Put back to an older state: no UID, modseq, mailbox id or request id of the lost time comes again."""
    async with opened(durable.url) as index:
        scope = await new_account(index)
        await fill(index, scope, 3)
    keep_copy(durable, tmp_path / "copy")
    async with opened(durable.url, mark=False) as index:
        lost = await fill(index, scope, 5)
        number = await index.create_mailbox(scope, request(), "lost", 0)
        lost_head = await index.head(scope, 1, "")
    put_back(durable, tmp_path / "copy")
    # Both begin from the same state; one time in 64 their UIDs would begin at the same number.
    while jumps(incarnation_of(durable))[1] == jumps(lost_head.incarnation)[1]:
        durable.kill()
        durable.start()
    async with opened(durable.url, mark=False) as index:
        assert (await header(index, scope)).messages == 3
        new = await fill(index, scope, 5)
        again = await index.create_mailbox(scope, request(), "lost", 0)
        head = await index.head(scope, 1, "")
        assert not set(new.tolist()) & set(lost.tolist())
        assert head.seq not in range(lost_head.seq - 6, lost_head.seq + 1)
        assert again != number
        # A client that holds a lost number compares everything.
        assert head.in_gap(lost_head.seq) or lost_head.seq > head.seq
        assert head.incarnation != lost_head.incarnation


async def test_a_watch_is_told_when_its_position_was_lost(durable: RedisServer, tmp_path: Path) -> None:
    """Its entry is not in the log any more: what came behind it is not known."""
    scope = Scope("")
    async with opened(durable.url) as index:
        scope = await new_account(index)
        shard = keys.shard_of(scope.account)
    keep_copy(durable, tmp_path / "copy")
    async with opened(durable.url, mark=False) as index:
        await fill(index, scope, 1)
        lost = await index.log_end(shard)
        await index.check_position(shard, lost)
    put_back(durable, tmp_path / "copy")
    async with opened(durable.url, mark=False) as index:
        for _ in range(2):
            with pytest.raises(Exception, match="token is too old"):
                await index.check_position(shard, lost)
            await fill(index, scope, 1)
