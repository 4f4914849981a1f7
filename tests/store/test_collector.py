"""The collector: what nobody refers to goes, late; what somebody refers to stays."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc.aio
import pytest

from buuta.v1 import account_pb2, delivery_pb2, mailbox_pb2, message_pb2
from services.common.errors import Unavailable
from services.common.grpc_options import CLIENT_OPTIONS
from services.store.bodies.local import LocalBodies
from services.store.collector import Collector
from services.store.index import keys
from services.store.index.core import Scope
from tests.store.api import Api, Store, column, rid
from tests.support.processes import RedisServer
from tests.support.store import running_store

MESSAGE = b"Subject: x\r\n\r\ntext\r\n"
WHOLE = message_pb2.BodySection()
# A clock that is ahead: whatever was put onto a list by now is due.
NOW, LATER = -60.0, 3600.0


def files(store: Store) -> int:
    bodies = store.platform.bodies
    assert isinstance(bodies, LocalBodies)
    return sum(1 for path in bodies._folder.glob("??/*"))


@pytest.fixture
async def store(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Store]:
    """Without a collector of its own."""
    async with (
        running_store(redis_server.url, tmp_path / "bodies", ROLES="api") as running,
        grpc.aio.insecure_channel(running.endpoint, options=CLIENT_OPTIONS) as channel,
    ):
        yield Store(running, channel)


def collector(store: Store, grace: float = NOW, retention: float = LATER) -> Collector:
    """The same worker whenever it is asked for: leases last a minute."""
    found = Collector(store.platform.index, store.platform.bodies, grace, retention)
    found._worker = b"the one of this test"
    return found


async def left_of(store: Store, account: str) -> list[bytes]:
    """Keys of an account."""
    names: list[bytes] = []
    for server in store.platform.index.connection.servers:
        names += await server.call(("KEYS", keys.account_key(account) + b"*"), False)
    return names


async def deliver(store: Store, *accounts: str) -> None:
    request = delivery_pb2.DeliverRequest(request_id=rid())
    for account in accounts:
        request.recipients.add(account=account)
    request.message.inline = MESSAGE
    await store.api("mx").delivery.Deliver(request)


async def copy(api: Api, uids: list[int], destination: str) -> None:
    await api.messages.CopyMessages(
        message_pb2.CopyMessagesRequest(
            account=api.account,
            request_id=rid(),
            mailbox=(await api.mailbox()).id,
            uids=column(uids),
            destination=destination,
        )
    )


async def delete_account(store: Store, account: str) -> None:
    request = account_pb2.DeleteAccountRequest(request_id=rid(), account=account)
    await store.api("admin").accounts.DeleteAccount(request)


async def test_expunged_bodies_go_after_the_grace(store: Store, alice: Api) -> None:
    await alice.append(MESSAGE, MESSAGE)
    await alice.expunge([1])
    await collector(store, grace=LATER).round()
    assert files(store) == 2
    await collector(store).round()
    assert files(store) == 1
    assert await alice.bodies([2], WHOLE) == {(2, 0): MESSAGE}
    await collector(store).round()
    assert files(store) == 1


async def test_a_copied_body_goes_with_its_last_copy(store: Store, alice: Api) -> None:
    await alice.append(MESSAGE)
    for _ in range(2):
        await copy(alice, [1], "Archive")
    await alice.expunge([1])
    await alice.expunge([1], "Archive")
    await collector(store).round()
    archive = (await alice.mailbox("Archive")).id
    assert await alice.bodies([2], WHOLE, mailbox=archive) == {(2, 0): MESSAGE}
    await alice.expunge([2], "Archive")
    await collector(store).round()
    assert files(store) == 0


async def test_a_shared_body_goes_with_its_last_account(store: Store, alice: Api) -> None:
    bob = await store.login("bob")
    await deliver(store, alice.account, bob.account)
    await copy(alice, [1], "Archive")
    await alice.expunge([1])
    await alice.expunge([1], "Archive")
    await collector(store).round()
    assert await bob.bodies([1], WHOLE) == {(1, 0): MESSAGE}
    await bob.expunge([1])
    await collector(store).round()
    assert files(store) == 0
    assert not await store.platform.index.connection.servers[0].call(("KEYS", "*:r:*"), False)


class Crashing:
    """Bodies that do not get deleted, or whose deletion is the last thing that happens."""

    def __init__(self, bodies: LocalBodies, after: bool) -> None:
        self._bodies, self._after = bodies, after

    async def delete(self, bodies: Sequence[bytes]) -> None:
        if self._after:
            await self._bodies.delete(bodies)
        raise Unavailable


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("shared", [False, True])
async def test_a_crash_in_the_middle_is_made_good(
    store: Store, alice: Api, after: bool, shared: bool
) -> None:
    bob = await store.login("bob")
    bodies = store.platform.bodies
    assert isinstance(bodies, LocalBodies)
    accounts = [alice, bob] if shared else [alice]
    await deliver(store, *(api.account for api in accounts))
    for api in accounts:
        await api.expunge([1])
    crashing = collector(store)
    crashing._bodies = Crashing(bodies, after)  # type: ignore[assignment]  # it deletes, no more
    with pytest.raises(Unavailable):
        await crashing.round()
    crashing._bodies = bodies
    await crashing.round()
    assert files(store) == 0
    index = store.platform.index
    assert await index.garbage(keys.shard_of(alice.account), 1 << 52) == []
    assert not await index.connection.servers[0].call(("KEYS", "*:r:*"), False)


async def test_a_shard_that_fails_keeps_no_other_one_waiting(
    store: Store, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, shard = store.platform.index, keys.shard_of(alice.account)
    failing, check = (shard + 1) % keys.SHARDS, index.check_shard

    async def due(*_: int) -> list[int]:
        return [failing, shard]

    async def checked(which: int) -> None:
        if which == failing:
            raise Unavailable
        await check(which)

    monkeypatch.setattr(index, "due_shards", due)
    monkeypatch.setattr(index, "check_shard", checked)
    await alice.append(MESSAGE)
    await alice.expunge([1])
    with pytest.raises(Unavailable):
        await collector(store).round()
    assert files(store) == 0


async def test_a_deleted_mailbox_goes_with_its_bodies(store: Store, alice: Api) -> None:
    old = await alice.create("Old")
    await alice.append(*[MESSAGE] * 300, name="Old")
    await alice.append(MESSAGE)
    await alice.mailboxes.DeleteMailbox(
        mailbox_pb2.DeleteMailboxRequest(account=alice.account, request_id=rid(), name="Old")
    )
    await collector(store).round()
    await collector(store).round()
    assert files(store) == 1
    assert not [name for name in await left_of(store, alice.account) if b":%d" % old.id in name[23:]]


async def test_a_deleted_account_leaves_nothing(store: Store, alice: Api) -> None:
    bob = await store.login("bob")
    await deliver(store, alice.account, bob.account)
    await alice.append(MESSAGE, MESSAGE)
    await copy(alice, [2, 3], "Archive")
    await delete_account(store, alice.account)
    index = store.platform.index
    shard = keys.shard_of(alice.account)
    # The header stays an hour longer than the mailboxes: stores' clocks differ.
    dead = b"{s%04d}:dead" % shard
    for member in await index._due(shard, b":dead", 1 << 52):
        await index.connection.change("ZADD", dead, 1, member)
    for _ in range(3):
        await collector(store).round()
    left = await left_of(store, alice.account)
    assert not [name for name in left if b":dd:" not in name]  # those expire
    assert files(store) == 1
    assert await bob.bodies([1], WHOLE) == {(1, 0): MESSAGE}
    await bob.expunge([1])
    await collector(store).round()
    assert files(store) == 0


async def test_tombstones_stay_for_the_retention(store: Store, alice: Api) -> None:
    await alice.append(*[MESSAGE] * 200)
    told = await alice.sync()
    known = {"uidvalidity": told.mailbox.uidvalidity, "since_seq": told.seq}
    await alice.expunge(list(range(1, 151)))
    for _ in range(2):
        await collector(store, retention=LATER).round()
    answer = await alice.sync(**known)
    assert (answer.full, len(answer.vanished)) == (False, 150 * 4)
    for _ in range(2):  # the first one only notes what is there
        await collector(store, retention=NOW).round()
    assert (await alice.sync(**known)).full
    head = await store.platform.index.head(Scope(alice.account), told.mailbox.id, "")
    assert head.directory["page"].tolist() == [1]  # the empty page is gone
    assert (await alice.mailbox()).messages == 50


async def test_a_busy_mailbox_gets_rid_of_its_tombstones_too(store: Store, alice: Api) -> None:
    """Each new tombstone must not put the look at the old ones off."""
    shard = keys.shard_of(alice.account)
    await alice.append(MESSAGE, MESSAGE)
    await alice.expunge([1])
    [first] = await store.platform.index._due(shard, b":tombs", 1 << 52)
    connection = store.platform.index.connection
    key = b"{s%04d}:tombs" % shard
    await connection.change("ZADD", key, 1, first)  # long ago
    await alice.expunge([2])
    assert int(float(await connection.command("ZSCORE", key, first))) == 1


async def test_two_collectors_share_the_work(store: Store, alice: Api) -> None:
    """One that holds a shard's lease keeps the others out."""
    await alice.append(MESSAGE)
    await alice.expunge([1])
    one, two = collector(store), collector(store)
    two._worker = b"another"
    shard = keys.shard_of(alice.account)
    assert await store.platform.index.lease(shard, two._worker, 60_000)
    await one.round()
    assert files(store) == 1
    await two.round()
    assert files(store) == 0


async def test_nothing_is_collected_from_another_platform(store: Store, alice: Api) -> None:
    await alice.append(MESSAGE)
    await alice.expunge([1])
    index = store.platform.index
    generation, index.generation = index.generation, b"0" * 32
    with pytest.raises(Unavailable):
        await collector(store).round()
    assert files(store) == 1
    index.generation = generation
