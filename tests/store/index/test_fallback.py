"""Real restarts and older copies of Redis: what was given to messages is not given again."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from services.store.index import keys
from services.store.index.core import Scope
from services.store.index.index import Index
from services.store.index.mailboxes import Head
from tests.store.index.conftest import DEBUG
from tests.store.index.support import fill, header, keys_of, message, new_account, opened, request
from tests.support.processes import RedisServer, redis7_binary, redis62_binary


@pytest.fixture(params=["redis62", "redis7"])
def durable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own, with every write on disk before it is answered."""
    old = request.param == "redis62"
    server = RedisServer(tmp_path / "redis", *([redis62_binary()] if old else [redis7_binary(), *DEBUG]))
    server.start()
    yield server
    server.stop()


def replid_of(server: RedisServer) -> bytes:
    found = re.search(rb"master_replid:(\w+)", server.ask("INFO", "replication"))
    assert found is not None
    return found[1]


def restart(server: RedisServer) -> None:
    """A crash and a start: nothing is lost, and it is a new incarnation."""
    server.kill()
    server.start()


async def test_a_restart_loses_nothing_and_is_a_new_incarnation(durable: RedisServer) -> None:
    async with opened(durable.url) as index:
        scope = await new_account(index)
        await fill(index, scope, 3)
        before, number = await keys_of(index), (await index.head(scope, 1, "")).incarnation
    restart(durable)
    async with opened(durable.url, mark=False) as index:
        assert await keys_of(index) == before
        new = await fill(index, scope, 1)
        head = await index.head(scope, 1, "")
        assert head.incarnation == number + 1
        assert new.tolist() == [4 + 10_000]
        assert np.frombuffer(head.gaps, "<u8").tolist() == [9, 9 + 2**20]


async def test_an_older_copy_gives_nothing_twice(durable: RedisServer, tmp_path: Path) -> None:
    """Put back to an older state: no UID, modseq, mailbox id or request id of the lost time comes again."""
    async with opened(durable.url) as index:
        scope = await new_account(index)
        await fill(index, scope, 3)
    durable.keep_copy(tmp_path / "copy")
    async with opened(durable.url, mark=False) as index:
        lost = await fill(index, scope, 5)
        number = await index.create_mailbox(scope, request(), "lost", 0)
        lost_head = await index.head(scope, 1, "")
    durable.put_back(tmp_path / "copy")
    async with opened(durable.url, mark=False) as index:
        assert (await header(index, scope)).messages == 3
        new = await fill(index, scope, 5)
        again = await index.create_mailbox(scope, request(), "lost", 0)
        head = await index.head(scope, 1, "")
        assert not set(new.tolist()) & set(lost.tolist())
        assert head.seq > lost_head.seq
        assert again != number
        # A client that holds a lost number compares everything.
        assert head.in_gap(lost_head.seq)
        assert head.incarnation > lost_head.incarnation


async def give(index: Index, scope: Scope, given: dict[int, bytes]) -> Head:
    """New messages, and whose UID each is; no UID is another one's already."""
    for _ in range(5):
        sent = message()
        [uid] = np.frombuffer((await index.append(scope, request(), "INBOX", [sent])).uids, "<u4").tolist()
        assert given.setdefault(uid, sent.body) == sent.body, f"{uid} was given to another message"
    return await index.head(scope, 0, "INBOX")


def look_like(server: RedisServer, replid: bytes) -> None:
    """Another replid, of which the first digits say the same as this one's, modulo 64."""
    while int(replid_of(server)[:4], 16) % 64 != int(replid[:4], 16) % 64:
        server.new_incarnation()


# Each number names the copy that is put back; None: it goes on from the last one.
@pytest.mark.parametrize("steps", [[None, None, 0], [None, None, None, 0, 1, 0, 2, None, 5, 0]])
async def test_no_copy_behind_many_restarts_gives_anything_twice(
    durable: RedisServer, tmp_path: Path, steps: list[int | None]
) -> None:
    """Every incarnation has UIDs and modseqs of its own, whatever its replid and the copy it began from."""
    given: dict[int, bytes] = {}
    copies, followers, heads = [tmp_path / "copy0"], dict[int, bytes](), list[Head]()
    async with opened(durable.url) as index:
        scope = await new_account(index)
        heads.append(await give(index, scope, given))
    durable.keep_copy(copies[0])
    for step in steps:
        origin = len(copies) - 1 if step is None else step
        durable.put_back(copies[origin])
        look_like(durable, followers.setdefault(origin, replid_of(durable)))
        async with opened(durable.url, mark=False) as index:
            heads.append(await give(index, scope, given))
        copies.append(tmp_path / f"copy{len(copies)}")
        durable.keep_copy(copies[-1])
    assert len(given) == 5 * len(heads)
    seqs, last = [head.seq for head in heads], heads[-1]
    assert len(set(seqs)) == len(seqs)
    # A client that holds a lost number compares everything, and one that holds a kept one does not.
    kept = {heads[0].seq, last.seq}
    assert [seq for seq in seqs if not last.in_gap(seq)] == sorted(kept)


async def test_a_watch_is_told_when_its_position_was_lost(durable: RedisServer, tmp_path: Path) -> None:
    """Its entry is not in the log any more: what came behind it is not known."""
    scope = Scope("")
    async with opened(durable.url) as index:
        scope = await new_account(index)
        shard = keys.shard_of(scope.account)
    durable.keep_copy(tmp_path / "copy")
    async with opened(durable.url, mark=False) as index:
        await fill(index, scope, 1)
        lost = await index.log_end(shard)
        await index.check_position(shard, lost)
    durable.put_back(tmp_path / "copy")
    async with opened(durable.url, mark=False) as index:
        for _ in range(2):
            with pytest.raises(Exception, match="token is too old"):
                await index.check_position(shard, lost)
            await fill(index, scope, 1)
