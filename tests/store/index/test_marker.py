"""An empty, foreign or badly set up Redis: Unavailable or a refusal to start, never "no such"."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from services.common.errors import Refused, Unavailable
from services.store.bodies.local import LocalBodies
from services.store.index import keys, marker
from services.store.index.connection import Connection
from services.store.index.core import Scope
from services.store.index.directory import Directory
from services.store.index.index import Index
from services.store.index.log import START
from services.store.index.mailboxes import Head
from services.store.index.messages import FlagChange
from tests.store.index.support import Redis, fill, keys_of, mark_shards, message, new_account, request, uids


async def bodies(folder: Path) -> LocalBodies:
    store = LocalBodies(folder)
    await store.start()
    return store


async def empty(redis: Redis) -> Connection:
    redis.flush()
    connection = Connection(redis.url, timeout=20.0)
    await connection.start()
    return connection


async def test_a_platform_is_made_where_neither_side_has_one(redis: Redis, tmp_path: Path) -> None:
    connection, store = await empty(redis), await bodies(tmp_path)
    made = await marker.generation(connection, store)
    assert await store.read_marker() == made
    assert await marker.generation(connection, store) == made
    found = await connection.command("HGETALL", keys.PLATFORM)
    assert found == {b"generation": made, b"format.write": b"2", b"shards": b"1024", b"index": b"complete"}
    marks = await connection.read([("GET", keys.tag(shard) + b":gen") for shard in range(keys.SHARDS)])
    assert set(marks) == {made}
    await connection.close()


async def test_an_emptied_redis_is_not_made_anew(redis: Redis, tmp_path: Path) -> None:
    connection, store = await empty(redis), await bodies(tmp_path)
    await marker.generation(connection, store)
    redis.flush()
    with pytest.raises(Unavailable, match="empty"):
        await marker.generation(connection, store)
    assert await connection.command("EXISTS", keys.PLATFORM) == 0
    await connection.close()


@pytest.mark.parametrize("change", ["other bodies", "no bodies", "newer format", "older format"])
async def test_what_does_not_belong_together(redis: Redis, tmp_path: Path, change: str) -> None:
    connection, store = await empty(redis), await bodies(tmp_path / "one")
    await marker.generation(connection, store)
    if change.endswith("format"):
        other = marker.FORMAT + (1 if change == "newer format" else -1)
        await connection.change("HSET", keys.PLATFORM, "format.write", other)
    else:
        store = await bodies(tmp_path / "two")
        if change == "other bodies":
            await store.write_marker(b"of another platform")
    with pytest.raises(Unavailable):
        await marker.generation(connection, store)
    await connection.close()


async def test_an_interrupted_start_goes_on(redis: Redis, tmp_path: Path) -> None:
    connection, store = await empty(redis), await bodies(tmp_path)
    made = await marker.generation(connection, store)
    await connection.change("HDEL", keys.PLATFORM, "index")
    await connection.change("DEL", keys.tag(77) + b":gen")
    assert await marker.generation(connection, store) == made
    assert await connection.command("GET", keys.tag(77) + b":gen") == made
    await connection.close()


Call = Callable[[Index, Scope, Head], Awaitable[object]]
CALLS: dict[str, Call] = {
    "account": lambda index, scope, head: index.account(scope.account),
    "create account": lambda index, scope, head: new_account(index),
    "names": lambda index, scope, head: index.names(scope),
    "head": lambda index, scope, head: index.head(scope, 0, "INBOX"),
    "pages": lambda index, scope, head: index.pages(scope.account, 1, [0]),
    "recent": lambda index, scope, head: index.recent_count(scope.account, head),
    "summaries": lambda index, scope, head: index.summaries(scope.account, 1, uids(1)),
    "append": lambda index, scope, head: fill(index, scope, 1),
    "flags": lambda index, scope, head: index.update_flags(scope, request(), 1, uids(1), FlagChange(1, 1)),
    "expunge": lambda index, scope, head: index.expunge(scope, request(), 1, uids(1), force=True),
    "copy": lambda index, scope, head: index.copy(scope, request(), 1, uids(1), "Trash", move=False),
    "create": lambda index, scope, head: index.create_mailbox(scope, request(), "a", 0),
    "lock": lambda index, scope, head: index.lock_maildrop(scope, b"1" * 16, 1000, renew=True),
    "domains": lambda index, scope, head: index.domains(),
    "delete domain": lambda index, scope, head: index.set_domain(request().id, "example.test", False),
    "resolve": lambda index, scope, head: Directory(index.connection, index).resolve("alice@example.test"),
    "find": lambda index, scope, head: Directory(index.connection, index).find("alice@example.test"),
    "addresses": lambda index, scope, head: Directory(index.connection, index).addresses(
        "example.test", "", 9
    ),
    "references": lambda index, scope, head: index.drop_reference(message().body, scope.account),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("how", ["emptied", "foreign"])
async def test_nothing_is_answered_from_a_redis_that_is_not_ours(
    index: Index, redis: Redis, call: str, how: str
) -> None:
    """Also when it was ours a moment ago, between two reads of one call."""
    scope = await new_account(index)
    await index.set_domain(request().id, "example.test", True)
    await fill(index, scope, 1)
    head = await index.head(scope, 0, "INBOX")
    redis.flush()
    if how == "foreign":
        await mark_shards(index.connection, b"of another platform")
    before = await keys_of(index)
    with pytest.raises(Unavailable):
        await CALLS[call](index, scope, head)
    assert await keys_of(index) == before


async def test_a_watch_of_an_emptied_log_begins_anew(index: Index, redis: Redis) -> None:
    scope = await new_account(index)
    shard = keys.shard_of(scope.account)
    position = await index.log_end(shard)
    await index.check_position(shard, position)
    await index.check_position(shard, START)
    redis.flush()
    with pytest.raises(Refused) as refused:
        await index.check_position(shard, position)
    assert refused.value.reason == "RESYNC_REQUIRED"


async def test_a_redis_that_may_evict_is_refused(index: Index, redis: Redis) -> None:
    await marker.check_server(index.connection)
    for node in index.connection.servers:
        await node.call(("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"), False)
        try:
            with pytest.raises(marker.Misconfigured, match="maxmemory-policy is allkeys-lru"):
                await marker.check_server(index.connection)
        finally:
            await node.call(("CONFIG", "SET", "maxmemory-policy", "noeviction"), False)
    await marker.check_server(index.connection)


async def test_at_85_percent_nothing_new_is_taken(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before anything is written; flags and expunges still work."""
    monkeypatch.setattr("services.store.index.summaries.MEMORY_CHECK_SECONDS", -1.0)
    scope = await new_account(index)
    await fill(index, scope, 2)
    await index.check_room()
    node = index.connection.servers[-1]
    used = int((await node.info("memory"))["used_memory"])
    try:
        await node.call(("CONFIG", "SET", "maxmemory", int(used / 0.9)), False)
        await index.check_room()  # asks, and does not wait
        await node.info("memory")  # answered behind that
        with pytest.raises(Refused) as refused:
            await index.check_room()
        assert refused.value.reason == "STORAGE_FULL"
        await index.update_flags(scope, request(), 1, uids(1), FlagChange(1, 1))
        await index.expunge(scope, request(), 1, uids(1), force=True)
        await node.call(("CONFIG", "SET", "maxmemory", used * 2), False)
        with pytest.raises(Refused):
            await index.check_room()
        await node.info("memory")
        await index.check_room()
    finally:
        await node.call(("CONFIG", "SET", "maxmemory", 0), False)


async def test_a_full_redis_refuses_a_write_whole(index: Index) -> None:
    scope = await new_account(index)
    await fill(index, scope, 2)
    before = await keys_of(index)
    try:
        for node in index.connection.servers:
            await node.call(("CONFIG", "SET", "maxmemory", 1), False)
        for attempt in (
            fill(index, scope, 1),
            index.expunge(scope, request(), 1, uids(1), force=True),
            index.lock_maildrop(scope, b"1" * 16, 1000, renew=False),
        ):
            with pytest.raises(Unavailable):
                await attempt
    finally:
        for node in index.connection.servers:
            await node.call(("CONFIG", "SET", "maxmemory", 0), False)
    assert await keys_of(index) == before
