"""Mailbox names: what each operation answers, and what it leaves in Redis."""

import pytest

from services.common.errors import Refused
from services.store.index import keys
from services.store.index.accounts import FIRST_MAILBOXES
from services.store.index.core import Scope
from services.store.index.index import Index
from tests.store.index.support import fill, header, keys_of, log_length, new_account, request

OTHERS = {name for name, _ in FIRST_MAILBOXES} - {"INBOX"}


async def create(index: Index, scope: Scope, *names: str) -> list[int]:
    return [await index.create_mailbox(scope, request(), name, 0) for name in names]


async def listing(index: Index, scope: Scope) -> dict[str, tuple[int, bool]]:
    """INBOX and names beyond those every account has: id (-1: not selectable) and subscription."""
    return {
        name.name: (-1 if name.noselect else name.id, name.subscribed)
        for name in await index.names(scope)
        if name.name not in OTHERS
    }


async def refusal(attempt: object) -> str:
    with pytest.raises(Refused) as refused:
        await attempt  # type: ignore[misc]  # any awaitable
    return refused.value.reason


async def test_create_makes_the_levels_above(index: Index) -> None:
    scope = await new_account(index)
    number = await index.create_mailbox(scope, request(), "a/b/c", 3)
    assert await listing(index, scope) == {
        "INBOX": (1, True),
        "a": (7, False),
        "a/b": (8, False),
        "a/b/c": (9, False),
    }
    assert number == 9
    key = keys.account_key(scope.account)
    found = await keys_of(index, scope.account)
    assert found[key + b":n"][b"a/b/c"] == b"9|0|3"
    assert found[key][b"seq"] == b"9"
    made = [found[key + b":m:%d" % n] for n in (7, 8, 9)]
    assert len({box[b"uidv"] for box in made}) == 3
    assert made[2] == {
        **dict.fromkeys((b"count", b"unseen", b"deleted", b"size", b"tombs", b"oldest"), b"0"),
        b"name": b"a/b/c",
        b"uidv": found[key][b"uidv"],
        b"uidnext": b"1",
        b"recent": b"1",
        b"modseq": b"9",
        b"inc": found[key][b"inc"],
    }
    before = await keys_of(index)
    assert await refusal(create(index, scope, "a/b")) == "MAILBOX_EXISTS"
    assert await keys_of(index) == before


async def test_delete_leaves_nothing_but_work_for_the_collector(index: Index) -> None:
    scope = await new_account(index)
    [number] = await create(index, scope, "a")
    await index.delete_mailbox(scope, request(), "a")
    assert await listing(index, scope) == {"INBOX": (1, True)}
    assert await refusal(index.head(scope, number, "")) == "MAILBOX_NOT_FOUND"
    assert await refusal(index.delete_mailbox(scope, request(), "a")) == "MAILBOX_NOT_FOUND"
    found = await keys_of(index)
    shard = keys.tag(keys.shard_of(scope.account))
    assert set(found[shard + b":dead"]) == {b"%b|%d" % (scope.account.encode(), number)}
    assert found[keys.account_key(scope.account) + b":m:%d" % number][b"gone"] == b"1"


async def test_a_name_is_used_again_but_never_an_id_or_uidvalidity(index: Index) -> None:
    scope = await new_account(index)
    await create(index, scope, "a")
    first = await header(index, scope, "a")
    await index.delete_mailbox(scope, request(), "a")
    await create(index, scope, "a")
    second = await header(index, scope, "a")
    assert second.id > first.id
    assert second.uidvalidity > first.uidvalidity


async def test_delete_keeps_a_name_with_children(index: Index) -> None:
    scope = await new_account(index)
    await create(index, scope, "a/b")
    await index.delete_mailbox(scope, request(), "a")
    assert await listing(index, scope) == {"INBOX": (1, True), "a": (-1, False), "a/b": (8, False)}
    assert await refusal(index.head(scope, 0, "a")) == "MAILBOX_NOT_FOUND"
    assert await refusal(index.delete_mailbox(scope, request(), "a")) == "MAILBOX_HAS_CHILDREN"
    await index.delete_mailbox(scope, request(), "a/b")
    await index.delete_mailbox(scope, request(), "a")
    assert await listing(index, scope) == {"INBOX": (1, True)}


async def test_a_name_without_mailbox_becomes_one(index: Index) -> None:
    scope = await new_account(index)
    await create(index, scope, "a/b")
    await index.subscribe(scope, request(), "a", True)
    await index.delete_mailbox(scope, request(), "a")
    [number] = await create(index, scope, "a")
    assert (await listing(index, scope))["a"] == (number, True)


async def test_inbox_stays(index: Index) -> None:
    scope = await new_account(index)
    before = await keys_of(index)
    assert await refusal(index.delete_mailbox(scope, request(), "INBOX")) == "INBOX_REQUIRED"
    assert await keys_of(index) == before


async def test_subscriptions(index: Index) -> None:
    scope = await new_account(index)
    await create(index, scope, "a")
    for name in ("a", "nowhere"):
        await index.subscribe(scope, request(), name, True)
    assert await listing(index, scope) == {"INBOX": (1, True), "a": (7, True), "nowhere": (0, True)}
    await index.delete_mailbox(scope, request(), "a")
    assert (await listing(index, scope))["a"] == (0, True)
    before, length = await keys_of(index), await log_length(index, scope)
    await index.subscribe(scope, request(), "a", True)
    assert (await keys_of(index), await log_length(index, scope)) == (before, length)
    for name in ("a", "nowhere", "INBOX"):
        await index.subscribe(scope, request(), name, False)
    assert await listing(index, scope) == {"INBOX": (1, False)}


async def test_rename_with_children(index: Index) -> None:
    scope = await new_account(index)
    await create(index, scope, "a/b/c", "ab")
    await index.subscribe(scope, request(), "a/b", True)
    await fill(index, scope, 2, "a/b/c")
    before = await header(index, scope, "a/b/c")
    await index.rename_mailbox(scope, request(), "a", "x/y")
    assert await listing(index, scope) == {
        "INBOX": (1, True),
        "ab": (10, False),
        "x": (14, False),
        "x/y": (7, False),
        "x/y/b": (8, True),
        "x/y/b/c": (9, False),
    }
    after = await header(index, scope, "x/y/b/c")
    assert (after.id, after.uidvalidity, after.messages, after.name) == (9, before.uidvalidity, 2, "x/y/b/c")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("nowhere", "x", "MAILBOX_NOT_FOUND"),
        ("a", "b", "MAILBOX_EXISTS"),
        ("a", "a", "MAILBOX_EXISTS"),
        ("a", "a/x", "MAILBOX_NAME"),
        ("INBOX", "b", "MAILBOX_EXISTS"),
    ],
)
async def test_a_refused_rename_changes_nothing(index: Index, old: str, new: str, reason: str) -> None:
    scope = await new_account(index)
    await create(index, scope, "a", "b")
    before = await keys_of(index)
    assert await refusal(index.rename_mailbox(scope, request(), old, new)) == reason
    assert await keys_of(index) == before


async def test_rename_of_inbox_leaves_an_empty_inbox(index: Index) -> None:
    scope = await new_account(index)
    await fill(index, scope, 2)
    await create(index, scope, "INBOX/child")
    before = await header(index, scope)
    await index.subscribe(scope, request(), "old/mail", True)
    await index.rename_mailbox(scope, request(), "INBOX", "old/mail")
    moved, new = await header(index, scope, "old/mail"), await header(index, scope)
    assert (moved.id, moved.uidvalidity, moved.messages, moved.uidnext) == (1, before.uidvalidity, 2, 3)
    assert (new.messages, new.uidnext) == (0, 1)
    assert new.uidvalidity > before.uidvalidity
    names = await listing(index, scope)
    assert set(names) == {"INBOX", "INBOX/child", "old", "old/mail"}
    assert names["INBOX"] == (new.id, True)
    assert names["old/mail"] == (1, True)


async def test_counts_come_with_the_names(index: Index) -> None:
    scope = await new_account(index)
    await fill(index, scope, 3)
    await index.subscribe(scope, request(), "nowhere", True)
    counted = {name.name: name.header for name in await index.names(scope, counts=True)}
    inbox, nowhere = counted["INBOX"], counted["nowhere"]
    assert inbox is not None
    assert (inbox.messages, inbox.unseen, inbox.size, inbox.special_use) == (3, 3, 3000, 0)
    assert nowhere is None
    drafts = counted["Drafts"]
    assert drafts is not None
    assert (drafts.messages, drafts.special_use) == (0, 2)
    assert next(iter(counted)) == "INBOX"


async def test_there_is_a_limit_of_names(index: Index) -> None:
    scope = await new_account(index)
    key = keys.account_key(scope.account) + b":n"
    for at in range(0, 9994, 1000):
        some = [b"n%d" % n for n in range(at, min(at + 1000, 9994))]
        pairs = [part for name in some for part in (name, b"0|1|0")]
        await index.connection.change("HSET", key, *pairs)
    assert await refusal(create(index, scope, "one more")) == "LIMIT"
    assert await refusal(index.subscribe(scope, request(), "one more", True)) == "LIMIT"
    assert await refusal(index.rename_mailbox(scope, request(), "INBOX", "one more")) == "LIMIT"
    await index.subscribe(scope, request(), "Drafts", False)
    await index.delete_mailbox(scope, request(), "Drafts")
    assert await refusal(create(index, scope, "level/one more")) == "LIMIT"
    assert await refusal(index.rename_mailbox(scope, request(), "Sent", "level/level/Sent")) == "LIMIT"
    await create(index, scope, "one more")


async def test_a_new_name_that_is_subscribed_to_stays_so(index: Index) -> None:
    scope = await new_account(index)
    await create(index, scope, "a/b")
    for name in ("x", "x/b"):
        await index.subscribe(scope, request(), name, True)
    await index.rename_mailbox(scope, request(), "a", "x")
    assert await listing(index, scope) == {"INBOX": (1, True), "x": (7, True), "x/b": (8, True)}
