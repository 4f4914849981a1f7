"""After a failover or a restore Redis may have lost writes: what was given to messages is not given again."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from services.common.errors import Refused, Unavailable
from services.store.index import keys
from services.store.index.connection import Connection
from services.store.index.index import Index
from services.store.index.mailboxes import Head
from services.store.index.messages import FlagChange
from services.store.index.record import SEEN
from tests.store.index.support import (
    MemoryNotes,
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

SEQ_JUMP, UID_JUMP = 2**20, 10_000


def gaps(head: Head) -> list[list[int]]:
    return [list(map(int, pair)) for pair in np.frombuffer(head.gaps, "<u8").reshape(-1, 2)]


async def test_the_first_write_of_an_incarnation_jumps(index: Index, redis: Redis) -> None:
    scope = await new_account(index)
    await fill(index, scope, 2)
    before = await index.head(scope, 1, "")
    redis.new_incarnation()
    new = await fill(index, scope, 1)
    after = await index.head(scope, 1, "")
    assert new.tolist() == [3 + UID_JUMP]
    assert (after.seq, after.mailbox.modseq) == (8 + SEQ_JUMP + 1,) * 2
    assert after.incarnation == before.incarnation + 1
    assert gaps(after) == [[8, 8 + SEQ_JUMP]]
    assert [after.in_gap(seq) for seq in (8, 9, 8 + SEQ_JUMP, after.seq)] == [False, True, True, False]
    assert (await fill(index, scope, 1)).tolist() == [4 + UID_JUMP]
    assert (await index.head(scope, 1, "")).seq == after.seq + 1


@pytest.mark.parametrize("count", [2, 5, 40])
async def test_as_many_jumps_as_incarnations_since(index: Index, redis: Redis, count: int) -> None:
    """Each of them may have begun from this state, and given numbers that were lost."""
    scope = await new_account(index)
    await fill(index, scope, 2)
    before = await index.head(scope, 1, "")
    for _ in range(count):
        redis.new_incarnation()
        await index.names(scope)  # met by a store; another account's write would do as well
    [uid] = await fill(index, scope, 1)
    after = await index.head(scope, 1, "")
    assert after.incarnation == before.incarnation + count
    assert (uid, after.seq) == (3 + count * UID_JUMP, 8 + count * SEQ_JUMP + 1)
    assert gaps(after) == [[8, 8 + count * SEQ_JUMP]]
    await index.create_mailbox(scope, request(), "new", 0)
    uidvalidity = (await header(index, scope, "new")).uidvalidity
    assert uidvalidity > before.mailbox.uidvalidity + count * UID_JUMP


async def test_a_label_names_the_incarnation_before_its_first_write(index: Index, redis: Redis) -> None:
    """What was read before a fallback must not pass for what is there behind it."""
    scope = await new_account(index)
    before = await index.head(scope, 1, "")
    redis.new_incarnation()
    after, account = await index.head(scope, 1, ""), await index.account(scope.account)
    assert account is not None
    assert (after.seq, account.seq) == (before.seq,) * 2
    assert after.incarnation == account.incarnation == before.incarnation + 1


async def test_a_header_of_a_higher_number_does_not_jump(index: Index, redis: Redis) -> None:
    """Its slot came from a server that was met later; then that number goes on."""
    scope = await new_account(index)
    await fill(index, scope, 2)
    number = (await index.head(scope, 1, "")).incarnation
    for key in (keys.account_key(scope.account), keys.account_key(scope.account) + b":m:1"):
        await index.connection.change("HSET", key, "inc", number + 3)
    assert (await fill(index, scope, 1)).tolist() == [3]
    head = await index.head(scope, 1, "")
    assert (head.seq, head.incarnation, gaps(head)) == (9, number + 3, [])
    redis.new_incarnation()
    await index.head(scope, 1, "")
    assert (await fill(index, scope, 1)).tolist() == [4]  # number + 1: still not higher
    copied = await index.copy(scope, request(), 1, uids(1), "Trash", move=False)
    assert copied.destination_uids.tolist() == [1 + 3 * UID_JUMP]  # a mailbox goes on from the account's


async def test_a_header_of_the_older_format_jumps_as_from_the_beginning(index: Index) -> None:
    """It has the replid itself, which may consist of digits."""
    scope = await new_account(index)
    await fill(index, scope, 2)
    number = (await index.head(scope, 1, "")).incarnation
    for key in (keys.account_key(scope.account), keys.account_key(scope.account) + b":m:1"):
        await index.connection.change("HSET", key, "inc", "1" * 40)
    assert (await index.head(scope, 1, "")).incarnation == number
    assert (await fill(index, scope, 1)).tolist() == [3 + number * UID_JUMP]
    assert (await index.head(scope, 1, "")).seq == 8 + number * SEQ_JUMP + 1
    assert (await fill(index, scope, 1)).tolist() == [4 + number * UID_JUMP]


async def test_uids_never_jump_beyond_their_end(index: Index) -> None:
    scope = await new_account(index)
    key = keys.account_key(scope.account) + b":m:1"
    await index.connection.change("HSET", key, "inc", 1, "uidnext", 2**32 - 5000)
    with pytest.raises(Refused, match="all its UIDs"):
        await fill(index, scope, 1)
    await index.connection.change("HSET", key, "inc", 1, "uidnext", 7)
    assert await index.claim_recent(scope, request(), 1) == 1


async def test_every_mailbox_jumps_at_its_own_first_write(index: Index, redis: Redis) -> None:
    scope = await new_account(index)
    await fill(index, scope, 1)
    await fill(index, scope, 1, "Junk")
    redis.new_incarnation()
    await index.copy(scope, request(), 1, uids(1), "Trash", move=False)
    boxes = [(await header(index, scope, name)).uidnext for name in ("INBOX", "Trash", "Junk")]
    head = await index.head(scope, 1, "")
    assert boxes == [2 + UID_JUMP, 2 + UID_JUMP, 2]
    assert (await fill(index, scope, 1, "Junk")).tolist() == [2 + UID_JUMP]
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
        seq, uid = seq + SEQ_JUMP + 1, uid + UID_JUMP
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


# -- a server that becomes another one under a running store ---------------------------------------


class Counting(Connection):
    """A connection that notes the scripts it runs."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=20.0)
        self.ran: list[str] = []
        self.before: Callable[[], None] = lambda: None

    async def script(self, name: str, keys: Sequence[bytes], args: Sequence[bytes | str | int]) -> Any:
        self.ran.append(name)
        self.before()
        return await super().script(name, keys, args)


async def test_a_script_is_refused_and_repeated_once(redis: Redis) -> None:
    redis.flush()
    connection = Counting(redis.url)
    async with opened(redis.url, connection) as index:
        scope = await new_account(index)
        await fill(index, scope, 2)
        for call in (lambda: fill(index, scope, 1), lambda: index.head(scope, 1, "")):
            redis.new_incarnation()
            connection.ran.clear()
            await call()
            assert len(connection.ran) == 2
            await call()
            assert len(connection.ran) == 3
        assert (await header(index, scope)).messages == 4


async def test_a_refused_script_has_done_nothing(redis: Redis) -> None:
    """The same request id is new to its repeat."""
    redis.flush()
    connection = Counting(redis.url)
    async with opened(redis.url, connection) as index:
        scope, sent = await new_account(index), request()
        await fill(index, scope, 1)
        before, length = await keys_of(index), await log_length(index, scope)
        connection.before = redis.new_incarnation  # at each try: it is never the expected one
        with pytest.raises(Unavailable):
            await index.append(scope, sent, "INBOX", [message()])
        assert connection.ran[-3:] == ["message_append"] * 3
        assert (await keys_of(index), await log_length(index, scope)) == (before, length)
        connection.before = lambda: None
        assert not (await index.append(scope, sent, "INBOX", [message()])).duplicate
        assert (await header(index, scope)).messages == 2


async def test_bodies_are_needed_for_a_new_server_only(redis: Redis) -> None:
    redis.flush()
    notes = MemoryNotes()
    async with opened(redis.url, notes=notes) as index:
        scope = await new_account(index)
        await fill(index, scope, 2)
        notes.down = True
        await fill(index, scope, 1)
        await index.update_flags(scope, request(), 1, uids(1), FlagChange(1, SEEN))
        assert (await header(index, scope)).messages == 3
        redis.new_incarnation()
        before = await keys_of(index)
        for attempt in (fill(index, scope, 1), index.head(scope, 1, ""), index.names(scope)):
            with pytest.raises(Unavailable, match="not known yet"):
                await attempt
        assert await keys_of(index) == before
        notes.down = False
        assert (await fill(index, scope, 1)).tolist() == [4 + UID_JUMP]
        notes.down = True
        assert (await fill(index, scope, 1)).tolist() == [5 + UID_JUMP]
