"""Copy and move: what they answer, and what they leave in both mailboxes."""

import pytest

from services.common.errors import Refused
from services.store.index import keys
from services.store.index.core import Scope
from services.store.index.index import Index
from services.store.index.messages import Copied
from services.store.index.record import DELETED, FLAGGED, SEEN, SHARED, TOMBSTONE
from tests.store.index.support import (
    fill,
    header,
    keys_of,
    log_length,
    message,
    new_account,
    records,
    request,
    uids,
)


async def copy(index: Index, scope: Scope, *which: int, to: str = "Trash", move: bool = False) -> Copied:
    return await index.copy(scope, request(), 1, uids(*which), to, move)


async def references(index: Index, scope: Scope) -> dict[bytes, int]:
    found = (await keys_of(index)).get(keys.account_key(scope.account) + b":b", {})
    return {body: int(count) for body, count in found.items()}


async def garbage(index: Index, scope: Scope) -> set[bytes]:
    return {item.body for item in await index.garbage(keys.shard_of(scope.account), 2**45)}


async def test_copy(index: Index) -> None:
    scope = await new_account(index)
    sent = [message(SEEN | DELETED, ["a"]), message(), message(FLAGGED, ["b", "a"], shared=True)]
    await index.append(scope, request(), 1, sent)
    await index.append(scope, request(), "Trash", [message(0, ["z", "B"])])
    done = await copy(index, scope, 1, 3, 9)
    assert (done.source_uids.tolist(), done.destination_uids.tolist(), done.seq) == ([1, 3], [2, 3], 11)
    box = await header(index, scope, "Trash")
    assert (done.destination, done.uidvalidity) == (box.id, box.uidvalidity)
    assert box.keywords == ["z", "B", "a"]
    assert (box.messages, box.unseen, box.deleted, box.size, box.modseq, box.uidnext) == (
        3,
        2,
        1,
        3000,
        11,
        4,
    )
    source, rows = await records(index, scope), await records(index, scope, "Trash")
    assert rows["flags"].tolist()[1:] == [SEEN | DELETED | 1 << 18, FLAGGED | SHARED | 1 << 17 | 1 << 18]
    assert rows["body"].tolist()[1:] == [sent[0].body, sent[2].body]
    for name in ("internal_date", "size", "email", "thread", "stored_length", "offset"):
        assert rows[name].tolist()[1:] == source[name][[0, 2]].tolist()
    assert rows["created_modseq"].tolist()[1:] == rows["modseq"].tolist()[1:] == [11, 11]
    summaries = await index.summaries(scope.account, box.id, uids(2, 3))
    assert summaries == [sent[0].summary, sent[2].summary]
    assert await references(index, scope) == {sent[0].body: 2, sent[2].body: 2}
    inbox = await header(index, scope)
    assert (inbox.messages, inbox.modseq) == (3, 9)


async def test_a_body_goes_with_its_last_copy(index: Index) -> None:
    scope = await new_account(index)
    sent = message()
    await index.append(scope, request(), 1, [sent])
    await copy(index, scope, 1, to="INBOX")
    await copy(index, scope, 1, 2)
    assert await references(index, scope) == {sent.body: 4}
    await index.expunge(scope, request(), 1, uids(1, 2), force=True)
    assert await references(index, scope) == {sent.body: 2}
    box = await header(index, scope, "Trash")
    await index.expunge(scope, request(), box.id, uids(1), force=True)
    assert (await references(index, scope), await garbage(index, scope)) == ({}, set())
    await index.expunge(scope, request(), box.id, uids(2), force=True)
    assert (await references(index, scope), await garbage(index, scope)) == ({}, {sent.body})


async def test_move(index: Index) -> None:
    scope = await new_account(index)
    sent = [message(SEEN, ["a"]), message(DELETED), message()]
    await index.append(scope, request(), 1, sent)
    done = await copy(index, scope, 1, 2, move=True)
    assert (done.source_uids.tolist(), done.destination_uids.tolist(), done.seq) == ([1, 2], [1, 2], 10)
    inbox, trash = await header(index, scope), await header(index, scope, "Trash")
    assert (inbox.messages, inbox.unseen, inbox.deleted, inbox.size, inbox.modseq) == (1, 1, 0, 1000, 10)
    assert (trash.messages, trash.unseen, trash.deleted, trash.size, trash.modseq) == (2, 1, 1, 2000, 10)
    rows = await records(index, scope)
    assert [bool(flags & TOMBSTONE) for flags in rows["flags"].tolist()] == [True, True, False]
    assert (await records(index, scope, "Trash"))["flags"].tolist() == [SEEN | 1 << 16, DELETED]
    assert await index.summaries(scope.account, 1, uids(1, 2, 3)) == [None, None, sent[2].summary]
    assert (await references(index, scope), await garbage(index, scope)) == ({}, set())
    shard = keys.tag(keys.shard_of(scope.account))
    assert set((await keys_of(index))[shard + b":tombs"]) == {scope.account.encode() + b"|1"}


@pytest.mark.parametrize("count", [5, 200])
async def test_move_into_the_same_mailbox(index: Index, count: int) -> None:
    """New UIDs behind the old ones, on the same page and on new ones."""
    scope = await new_account(index)
    await fill(index, scope, count)
    done = await copy(index, scope, *range(1, count + 1), to="INBOX", move=True)
    assert done.destination_uids.tolist() == list(range(count + 1, 2 * count + 1))
    box, rows = await header(index, scope), await records(index, scope)
    assert (box.messages, box.unseen, box.size, box.uidnext) == (count, count, 1000 * count, 2 * count + 1)
    assert rows["uid"].tolist() == list(range(1, 2 * count + 1))
    assert [bool(flags & TOMBSTONE) for flags in rows["flags"].tolist()] == [True] * count + [False] * count
    assert rows["body"].tolist()[:count] == rows["body"].tolist()[count:]
    head = await index.head(scope, 1, "")
    assert int(head.directory["live"].sum()) == count


@pytest.mark.parametrize("move", [False, True])
async def test_nothing_to_copy_changes_nothing(index: Index, move: bool) -> None:
    scope = await new_account(index)
    await fill(index, scope, 1)
    before, length = await keys_of(index), await log_length(index, scope)
    done = await copy(index, scope, 8, 9, move=move)
    assert (done.source_uids.tolist(), done.destination_uids.tolist(), done.seq) == ([], [], 7)
    assert (await keys_of(index), await log_length(index, scope)) == (before, length)


@pytest.mark.parametrize("move", [False, True])
async def test_refusals_change_nothing(index: Index, move: bool) -> None:
    scope = await new_account(index)
    await index.append(scope, request(), 1, [message(), message(0, ["one more"])])
    await index.append(scope, request(), "Trash", [message(0, [f"word{n}" for n in range(48)])])
    before = await keys_of(index)
    for to, reason in (("nowhere", "DESTINATION_NOT_FOUND"), ("Trash", "LIMIT")):
        with pytest.raises(Refused) as refused:
            await copy(index, scope, 1, 2, to=to, move=move)
        assert refused.value.reason == reason
    with pytest.raises(Refused) as refused:
        await index.copy(scope, request(), 99, uids(1), "Trash", move)
    assert refused.value.reason == "MAILBOX_NOT_FOUND"
    assert await keys_of(index) == before
