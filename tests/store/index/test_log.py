"""Events: what a shard's stream has of a change, and what is read of it."""

from services.store.index import keys
from services.store.index.index import Index
from services.store.index.log import START, LogEvent
from tests.store.index.support import fill, new_account, request, uids


async def test_events_are_read_as_they_were_written(index: Index) -> None:
    """Also UIDs and names that have the octet of a space."""
    scope = await new_account(index)
    await fill(index, scope, 32)
    await fill(index, scope, 1)
    await index.copy(scope, request(), 1, uids(32), "Trash", move=False)
    await index.create_mailbox(scope, request(), "a b  c", 0)
    entries = await index.log_since(keys.shard_of(scope.account), START, 100)
    assert [(entry.account, entry.seq) for entry in entries] == [
        (scope.account, seq) for seq in (6, 38, 39, 40, 41)
    ]
    assert [entry.event for entry in entries[1:]] == [
        LogEvent(1, 1, 0, uids(*range(1, 33)).tobytes(), ""),
        LogEvent(1, 1, 0, uids(33).tobytes(), ""),
        LogEvent(2, 5, 1, uids(1).tobytes(), ""),
        LogEvent(6, 41, 0, b"", "a b  c"),
    ]


async def test_an_event_is_short(index: Index) -> None:
    scope = await new_account(index)
    await fill(index, scope, 1)
    key = keys.tag(keys.shard_of(scope.account)) + b":events"
    [(_, fields)] = await index.connection.command("XREVRANGE", key, "+", "-", "COUNT", 1)
    assert fields == [b"v", scope.account.encode() + b" 7 1 1 0 4 \x01\x00\x00\x00"]
