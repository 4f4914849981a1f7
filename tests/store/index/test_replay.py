"""The redo log: applied to an empty Redis it gives the same keys to the octet, except those that expire."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.errors import Refused
from services.store.index import keys
from services.store.index.core import Scope
from services.store.index.directory import Directory
from services.store.index.index import Index
from services.store.index.log import START
from services.store.index.replay import replay
from tests.store.index.operations import ANY_TIME, Pair, operations
from tests.store.index.support import Redis, fill, keys_of, message, new_account, opened, request

name = st.sampled_from(["INBOX", "Sent", "a", "a/b", "a/b/c", "x"])
others = st.one_of(
    st.tuples(st.just("create"), name),
    st.tuples(st.just("delete"), name),
    st.tuples(st.just("rename"), name, name),
    st.tuples(st.just("subscribe"), name, st.booleans()),
    st.tuples(st.just("deliver"), name, st.integers(0, 3)),
    st.tuples(st.just("password")),
    st.tuples(st.just("alias"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("domain"), st.booleans()),
    st.tuples(st.just("claim"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("references"), st.integers(0, 2), st.integers(1, 300)),
    st.tuples(st.just("collect")),
    st.tuples(st.just("delete account")),
)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(operations)
def test_the_log_of_mail_gives_the_same_keys(redis: Redis, drawn: Sequence[tuple[Any, ...]]) -> None:
    async def play() -> None:
        redis.flush()
        async with opened(redis.url) as index:
            pair = await Pair.make(index, redis)
            for operation in drawn:
                await pair.perform(operation)
            await _check_replay(index, redis)

    asyncio.run(play())


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(others, max_size=30))
def test_the_log_of_everything_else_gives_the_same_keys(
    redis: Redis, drawn: Sequence[tuple[Any, ...]]
) -> None:
    async def play() -> None:
        redis.flush()
        async with opened(redis.url) as index:
            scope = Scope((await new_account(index)).account)
            await fill(index, scope, 3, "Sent")
            for operation in drawn:
                try:
                    await _perform(index, scope, operation)
                except Refused:
                    continue  # whether it may be is not asked here: nothing is written, nothing logged
            await _check_replay(index, redis)

    asyncio.run(play())


async def test_an_effect_of_a_thousand_arguments(index: Index, redis: Redis) -> None:
    await index.write_references(message().body, [index.new_account_id() for _ in range(1000)])
    await _check_replay(index, redis)


async def _perform(index: Index, scope: Scope, operation: tuple[Any, ...]) -> None:
    directory, account = Directory(index.connection, index), scope.account
    match operation:
        case ("create", what):
            await index.create_mailbox(scope, request(), what, 0)
        case ("delete", what):
            await index.delete_mailbox(scope, request(), what)
        case ("rename", old, new):
            await index.rename_mailbox(scope, request(), old, new)
        case ("subscribe", what, wanted):
            await index.subscribe(scope, request(), what, wanted)
        case ("deliver", what, key):
            await index.append(scope, request(), what, [message(0, ["a"])], b"dedupe key of %03d" % key)
        case ("password",):
            await index.set_password(request().id, account, "new")
        case ("alias", number, present):
            address = f"a{number}@example.test"
            await index.set_addresses(
                request().id, account, add=address if present else "", remove="" if present else address
            )
        case ("domain", present):
            await index.set_domain(request().id, "example.test", present)
        case ("claim", number, present):
            address = f"a{number}@example.test"
            if present:
                await directory.claim(address, account, "alice@example.test")
                await directory.settle(address, account, "alice@example.test")
            else:
                await directory.drop(address, account)
        case ("references", number, count):
            body = b"%016d" % number
            await index.write_references(body, [account, *(index.new_account_id() for _ in range(count))])
            await index.drop_reference(body, account)
        case ("collect",):
            await _collect(index, scope)
        case _:
            await index.delete_account(request().id, account)


async def _collect(index: Index, scope: Scope) -> None:
    shard = keys.shard_of(scope.account)
    await index.purge(shard)
    await index.prune(shard, ANY_TIME)
    for item in (await index.garbage(shard, ANY_TIME))[:2]:
        await index.take_garbage(shard, item.member)


async def _check_replay(index: Index, redis: Redis) -> None:
    before = await keys_of(index)
    logs = await asyncio.gather(*(index.effects(shard, START, 10_000) for shard in range(keys.SHARDS)))
    redis.flush()
    for shard, entries in enumerate(logs):
        for _, effects in entries:
            await replay(index.connection, keys.tag(shard), effects)
    assert await keys_of(index) == before


async def test_the_log_is_bounded_in_octets(redis: Redis) -> None:
    """Long entries and short ones: never more than the bound, or than the last entry."""
    redis.flush()
    async with opened(redis.url, redo_log_octets=4000) as index:
        scope = Scope((await new_account(index)).account)
        shard = keys.shard_of(scope.account)
        for count in (1, 1, 1, 40, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1):
            await fill(index, scope, count)
            entries = await index.effects(shard, START, 10_000)
            assert len(entries) == 1 or sum(len(effects) for _, effects in entries) <= 4000
            assert entries
        assert len(await index.log_since(shard, START, 10_000)) > 10  # events have a bound of their own
