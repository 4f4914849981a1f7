"""What the collector does to the index: garbage, tombstones, dead mailboxes and accounts, shared bodies."""

import time

import numpy as np
import pytest

from services.store.index import keys
from services.store.index.core import Scope
from services.store.index.index import Index
from services.store.index.record import SEEN, TOMBSTONE
from tests.store.index.support import fill, header, keys_of, message, new_account, records, request, uids

ANY_TIME = 2**45


async def expunge(index: Index, scope: Scope, *which: int) -> int:
    seq, _ = await index.expunge(scope, request(), 1, uids(*which), force=True)
    return seq


def shard_of(scope: Scope) -> int:
    return keys.shard_of(scope.account)


async def on_list(index: Index, scope: Scope, name: bytes) -> dict[bytes, float]:
    key = keys.tag(shard_of(scope)) + name
    found: dict[bytes, float] = (await keys_of(index)).get(key, {})
    return found


# -- garbage ----------------------------------------------------------------------------


async def test_garbage_waits_for_its_grace(index: Index) -> None:
    scope = await new_account(index)
    alone, shared = message(), message(shared=True)
    await index.append(scope, request(), 1, [alone, shared])
    await expunge(index, scope, 1, 2)
    [at, _] = (await on_list(index, scope, b":garbage")).values()
    assert await index.garbage(shard_of(scope), int(at) - 1) == []
    due = await index.garbage(shard_of(scope), int(at))
    assert {(item.account, item.shared, item.body) for item in due} == {
        (scope.account, False, alone.body),
        (scope.account, True, shared.body),
    }
    assert await index.take_garbage(shard_of(scope), due[0].member)
    assert not await index.take_garbage(shard_of(scope), due[0].member)
    assert await index.garbage(shard_of(scope), int(at)) == due[1:]


async def test_references_only_shrink(index: Index) -> None:
    body = message().body
    accounts = [index.new_account_id() for _ in range(3)]
    await index.write_references(body, accounts[:2])
    await index.write_references(body, accounts)
    [(key, there)] = (await keys_of(index, body)).items()
    assert key == keys.tag(keys.shard_of_text(body)) + b":r:" + body
    assert there == {account.encode() for account in accounts[:2]}
    assert await index.drop_reference(body, accounts[2]) == 2
    assert await index.drop_reference(body, accounts[0]) == 1
    assert await index.drop_reference(body, accounts[0]) == 1


async def test_the_last_reference_stays_until_the_body_is_deleted(index: Index) -> None:
    """So that a collector that dies between the two can begin again."""
    body, account = message().body, index.new_account_id()
    await index.write_references(body, [account])
    assert await index.drop_reference(body, account) == 0
    assert await index.drop_reference(body, account) == 0
    await index.forget_references(body)
    assert await keys_of(index, body) == {}
    assert await index.drop_reference(body, account) is None


async def test_a_body_of_a_thousand_accounts(index: Index) -> None:
    body = message().body
    accounts = [index.new_account_id() for _ in range(1000)]
    await index.write_references(body, accounts)
    [there] = (await keys_of(index, body)).values()
    assert there == {account.encode() for account in accounts}


# -- tombstones -------------------------------------------------------------------------


async def test_tombstones_go_at_the_second_look(index: Index) -> None:
    scope = await new_account(index)
    await fill(index, scope, 300)
    known = await expunge(index, scope, 1, 2, *range(128, 256))
    await index.prune(shard_of(scope), ANY_TIME)
    assert len(await records(index, scope)) == 300
    later = await expunge(index, scope, 5)
    await index.prune(shard_of(scope), ANY_TIME)
    rows = await records(index, scope)
    assert rows["uid"].tolist() == [*range(3, 128), *range(256, 301)]
    assert rows["uid"][(rows["flags"] & np.uint64(TOMBSTONE)) != 0].tolist() == [5]
    head = await index.head(scope, 1, "")
    assert head.directory["page"].tolist() == [0, 2]
    assert head.directory["live"].tolist() == [124, 45]
    assert head.mailbox.oldest == known
    assert (head.mailbox.messages, head.mailbox.uidnext, head.mailbox.modseq) == (169, 301, later)
    assert await on_list(index, scope, b":tombs") != {}
    await index.prune(shard_of(scope), ANY_TIME)
    assert (await header(index, scope)).oldest == later
    assert await on_list(index, scope, b":tombs") == {}
    assert (await fill(index, scope, 1)).tolist() == [301]
    assert (await records(index, scope))["uid"].tolist()[-1] == 301


async def test_a_mailbox_in_use_is_looked_through_all_the_same(index: Index) -> None:
    """An expunge does not put off the look that is due: else a mailbox in use would never be pruned."""
    scope = await new_account(index)
    await fill(index, scope, 3)
    await expunge(index, scope, 1)
    before = await on_list(index, scope, b":tombs")
    key = keys.tag(shard_of(scope)) + b":tombs"
    await index.connection.change("ZADD", key, 1000, next(iter(before)))
    await expunge(index, scope, 2)
    assert set((await on_list(index, scope, b":tombs")).values()) == {1000}


async def test_an_emptied_mailbox_has_no_pages(index: Index) -> None:
    scope = await new_account(index)
    count = 70 * 128  # more pages than one look takes
    await fill(index, scope, count)
    seq, gone = await index.expunge(scope, request(), 1, np.arange(1, count + 1, dtype="<u4"), force=True)
    assert len(gone) == count
    for _ in range(2):
        await index.prune(shard_of(scope), ANY_TIME)
    key = keys.account_key(scope.account)
    found = await keys_of(index, key)
    assert not [name for name in found if b":p:1:" in name or b":s:1:" in name or b":d:1" in name]
    assert found[key + b":m:1"][b"tombs"] == b"0"
    assert found[key + b":m:1"][b"oldest"] == b"%d" % seq
    assert (await fill(index, scope, 1)).tolist() == [count + 1]


async def test_prune_of_a_mailbox_that_is_gone(index: Index) -> None:
    scope = await new_account(index)
    await index.create_mailbox(scope, request(), "a", 0)
    await fill(index, scope, 1, "a")
    box = await header(index, scope, "a")
    await index.expunge(scope, request(), box.id, uids(1), force=True)
    await index.delete_mailbox(scope, request(), "a")
    await index.prune(shard_of(scope), ANY_TIME)
    assert await on_list(index, scope, b":tombs") == {}


# -- what was deleted -------------------------------------------------------------------


async def test_purge_of_a_mailbox(index: Index) -> None:
    scope = await new_account(index)
    await index.create_mailbox(scope, request(), "a", 0)
    await fill(index, scope, 1100, "a", SEEN)
    kept = await index.copy(
        scope, request(), (await header(index, scope, "a")).id, uids(7), "INBOX", move=False
    )
    box = await header(index, scope, "a")
    await index.expunge(scope, request(), box.id, uids(9), force=True)
    bodies = set((await records(index, scope, "a"))["body"].tolist())
    await index.delete_mailbox(scope, request(), "a")
    await index.purge(shard_of(scope))
    found = await keys_of(index, scope.account)
    assert not [key for key in found if key.endswith(b":%d" % box.id) or b":%d:" % box.id in key]
    assert await on_list(index, scope, b":dead") == {}
    garbage = {member[17:] for member in await on_list(index, scope, b":garbage")}
    [copy] = await records(index, scope)
    assert copy["uid"] == kept.destination_uids[0]
    assert garbage == bodies - {copy["body"].tobytes()}
    await expunge(index, scope, int(copy["uid"]))
    assert {member[17:] for member in await on_list(index, scope, b":garbage")} == bodies


async def test_purge_of_an_account_comes_behind_its_mailboxes(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = await new_account(index)
    sent = message()
    await index.append(scope, request(), 1, [sent])
    await index.copy(scope, request(), 1, uids(1), "Trash", move=False)
    await index.delete_account(request().id, scope.account)
    await index.purge(shard_of(scope))
    assert set(await on_list(index, scope, b":dead")) == {scope.account.encode() + b"|0"}
    assert {member[17:] for member in await on_list(index, scope, b":garbage")} == {sent.body}
    monkeypatch.setattr("services.store.index.collect._now", lambda: ANY_TIME)
    await index.purge(shard_of(scope))
    assert {name for name in await keys_of(index, scope.account) if scope.account.encode() in name} == set()
    assert await on_list(index, scope, b":dead") == {}


# -- workers ----------------------------------------------------------------------------


async def test_a_shard_is_leased_to_one_worker(index: Index) -> None:
    assert await index.lease(5, b"one", 60_000)
    assert await index.lease(5, b"one", 60_000)
    assert not await index.lease(5, b"two", 60_000)
    assert await index.lease(6, b"two", 60_000)


@pytest.mark.parametrize("name", [b":garbage", b":dead", b":tombs", b":ops"])
async def test_shards_with_work_that_is_due(index: Index, name: bytes) -> None:
    """Each list by its own time, in the first and the last shard as in any other."""
    now = int(time.time() * 1000)
    before = {b":garbage": now - 1000, b":tombs": now - 2000}
    late, early = before.get(name, now), before.get(name, now) + 60_000
    for shard in (0, 127, 128, 700, keys.SHARDS - 1):
        await index.connection.change("ZADD", keys.tag(shard) + name, late, "member")
    await index.connection.change("ZADD", keys.tag(5) + name, early, "member")
    assert await index.due_shards(now - 1000, now - 2000) == [0, 127, 128, 700, keys.SHARDS - 1]


async def test_a_shard_is_due_when_its_garbage_is(index: Index) -> None:
    scope = await new_account(index)
    now = int(time.time() * 1000)
    assert await index.due_shards(now + 60_000, 0) == []
    await fill(index, scope, 1)
    await expunge(index, scope, 1)
    assert await index.due_shards(now - 60_000, 0) == []
    assert await index.due_shards(now + 60_000, 0) == [shard_of(scope)]
    assert await index.due_shards(0, now + 60_000) == [shard_of(scope)]  # its tombstone
