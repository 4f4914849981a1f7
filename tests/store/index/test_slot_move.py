"""A slot that moves between the masters of a Cluster: its numbers go on, and no lost ones come again."""

import time
from collections.abc import Iterator

import pytest
from redis import Redis as Client
from redis.crc import key_slot

from services.store.index import keys
from services.store.index.core import Scope
from services.store.index.index import Index
from tests.store.index.support import fill, opened
from tests.support.processes import START_TIMEOUT
from tests.support.redis_cluster import ClusterNode, RedisCluster

pytestmark = pytest.mark.parametrize("redis", ["cluster"], indirect=True)
UID_JUMP = 10_000


def move(cluster: RedisCluster, slot: int, source: ClusterNode, target: ClusterNode) -> None:
    """A slot with its keys, as `redis-cli --cluster reshard` moves it."""
    clients = {node: Client(port=node.port) for node in cluster.nodes}
    old, new = clients[source], clients[target]
    names = {node: client.execute_command("CLUSTER MYID") for node, client in clients.items()}
    new.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", names[source])
    old.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", names[target])
    while found := old.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
        old.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *found)
    for client in (new, old, *clients.values()):
        client.execute_command("CLUSTER SETSLOT", slot, "NODE", names[target])
    deadline = time.monotonic() + START_TIMEOUT
    while len({owners(client) for client in clients.values()}) > 1:  # else the next move has an old epoch
        assert time.monotonic() < deadline, "the nodes do not agree"
        time.sleep(0.05)
    for client in clients.values():
        client.close()


def owners(client: Client) -> frozenset[tuple[bytes, ...]]:
    """Each node's id, config epoch and slots, as one of them sees it (CLUSTER NODES)."""
    with client.client() as raw:
        raw.set_response_callback("CLUSTER NODES", lambda reply, **_: reply)
        lines = bytes(raw.execute_command("CLUSTER NODES")).splitlines()
    rows = [line.split() for line in lines]
    return frozenset((row[0], row[6], *row[8:]) for row in rows)


@pytest.fixture
def nodes(redis: RedisCluster) -> Iterator[list[ClusterNode]]:
    """The nodes, each a new server; the slots are put back."""
    redis.flush()
    redis.new_incarnation()
    yield redis.nodes
    for shard in range(3):
        home = next(at for at in range(3) if key_slot(keys.tag(shard)) < (at + 1) * 16384 // 3)
        for node in redis.nodes:
            with Client(port=node.port) as client:
                held = client.execute_command("CLUSTER COUNTKEYSINSLOT", key_slot(keys.tag(shard)))
            if held and node is not redis.nodes[home]:
                move(redis, key_slot(keys.tag(shard)), node, redis.nodes[home])


async def account_on(index: Index, cluster: RedisCluster, node: ClusterNode) -> Scope:
    """An account of one of the first shards whose server this is."""
    place = cluster.nodes.index(node)
    for shard in range(3):
        if place * 16384 // 3 <= key_slot(keys.tag(shard)) < (place + 1) * 16384 // 3:
            account = keys.account_id(shard, b"%08d" % shard)
            await index.create_account(b"", account, f"u{shard}@example.test", "credential")
            return Scope(account, "1")
    raise AssertionError("the first shards are on fewer servers")


def slot_of(scope: Scope) -> int:
    return key_slot(keys.tag(keys.shard_of(scope.account)))


async def test_to_a_server_that_was_met_before(redis: RedisCluster, nodes: list[ClusterNode]) -> None:
    """No jump: the header has a higher number. It goes on when that server falls back."""
    async with opened(redis.url) as index:
        first, second = nodes[0], nodes[1]
        other = await account_on(index, redis, second)  # met first: the lower number
        await fill(index, other, 1)
        scope = await account_on(index, redis, first)
        await fill(index, scope, 2)
        before = await index.head(scope, 1, "")
        move(redis, slot_of(scope), first, second)
        assert (await fill(index, scope, 1)).tolist() == [3]
        after = await index.head(scope, 1, "")
        assert (after.seq, after.incarnation, after.gaps) == (before.seq + 1, before.incarnation, b"")
        assert (await fill(index, other, 1)).tolist() == [2]
        second.new_incarnation()
        assert (await fill(index, scope, 1)).tolist() == [4 + UID_JUMP]
        assert (await fill(index, other, 1)).tolist() == [3 + 2 * UID_JUMP]


async def test_to_a_server_that_was_met_later(redis: RedisCluster, nodes: list[ClusterNode]) -> None:
    """It jumps as at a restart, once; and not on its way back."""
    async with opened(redis.url) as index:
        first, second = nodes[0], nodes[1]
        scope = await account_on(index, redis, first)
        await fill(index, scope, 2)
        await fill(index, await account_on(index, redis, second), 1)
        move(redis, slot_of(scope), first, second)
        assert (await fill(index, scope, 1)).tolist() == [3 + UID_JUMP]
        move(redis, slot_of(scope), second, first)
        assert (await fill(index, scope, 1)).tolist() == [4 + UID_JUMP]
