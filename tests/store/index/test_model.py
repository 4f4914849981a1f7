"""Random operations: the index answers as a plain model does, and holds what the model holds."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings

from services.store.index import keys
from services.store.index.record import TOMBSTONE, live
from tests.store.index.operations import BOXES, Pair, operations
from tests.store.index.support import Redis, header, keys_of, opened, records


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(operations)
def test_a_mailbox_is_what_the_model_says(redis: Redis, drawn: Sequence[tuple[Any, ...]]) -> None:
    asyncio.run(_play(redis, drawn))


async def _play(redis: Redis, drawn: Sequence[tuple[Any, ...]]) -> None:
    redis.flush()
    async with opened(redis.url) as index:
        pair = await Pair.make(index, redis)
        for operation in drawn:
            await pair.perform(operation)
        for name in BOXES:
            await _check_header(pair, name)
            await _check_records(pair, name)
        await _check_bodies(pair)
        account = await index.account(pair.scope.account)
        assert account is not None
        assert (account.seq, account.incarnation) == (pair.model.seq, pair.model.server)
        written = await index.connection.command("HGET", keys.account_key(pair.scope.account), "inc")
        assert int(written) == pair.model.incarnation


async def _check_header(pair: Pair, name: str) -> None:
    box, found = pair.model.boxes[name], await header(pair.index, pair.scope, name)
    assert (found.messages, found.unseen, found.deleted, found.size) == box.counts()
    assert (found.uidnext, found.modseq, found.keywords) == (box.uidnext, box.modseq, box.keywords)
    assert (found.recent_from, found.oldest) == (box.recent, box.oldest)
    head = await pair.index.head(pair.scope, found.id, "")
    recent = sum(uid >= box.recent for uid in box.messages)
    assert await pair.index.recent_count(pair.scope.account, head) == recent


async def _check_records(pair: Pair, name: str) -> None:
    box, rows = pair.model.boxes[name], await records(pair.index, pair.scope, name)
    dead = rows[(rows["flags"] & np.uint64(TOMBSTONE)) != 0]
    assert dict(zip(dead["uid"].tolist(), dead["modseq"].tolist(), strict=True)) == box.tombstones
    held = live(rows)
    assert held["uid"].tolist() == sorted(box.messages)
    for row in held:
        m = box.messages[int(row["uid"])]
        assert int(row["flags"]) == m.flags | box.bits(m.keywords)
        numbers = (int(row["modseq"]), int(row["email"]), int(row["created_modseq"]), int(row["size"]))
        assert (*numbers, row["body"].tobytes()) == (m.modseq, m.email, m.created, m.size, m.body)
    summaries = await pair.index.summaries(pair.scope.account, BOXES[name], held["uid"])
    assert summaries == [box.messages[uid].summary for uid in held["uid"].tolist()]
    head = await pair.index.head(pair.scope, BOXES[name], "")
    for page, alive, modseq in head.directory.tolist():
        of_page = rows[rows["uid"] // 128 == page]
        assert alive == len(live(of_page))
        # A tombstone that was pruned may have been the newest one of its page.
        assert modseq >= of_page["modseq"].max()


async def _check_bodies(pair: Pair) -> None:
    found, account = await keys_of(pair.index, pair.scope.account), pair.scope.account.encode()
    counts = found.get(keys.account_key(pair.scope.account) + b":b", {})
    expected = {body: count for body, count in pair.model.bodies.items() if count > 1}
    assert {body: int(count) for body, count in counts.items()} == expected
    tag = keys.tag(keys.shard_of(pair.scope.account))
    lists = await keys_of(pair.index, tag)
    assert {member[17:] for member in lists.get(tag + b":garbage", {})} == pair.model.garbage
    waiting = {b"%b|%d" % (account, box.id) for box in pair.model.boxes.values() if box.tombstones}
    assert set(lists.get(tag + b":tombs", {})) == waiting
    for box in pair.model.boxes.values():
        tombstones = found[keys.account_key(pair.scope.account) + b":m:%d" % box.id][b"tombs"]
        assert int(tombstones) == len(box.tombstones)
