"""Append, flags, expunge, \\Recent: what each operation answers, and what it leaves in Redis."""

import numpy as np
import pytest

from services.common.errors import Refused
from services.store.index import keys
from services.store.index.core import Request, Scope
from services.store.index.index import Index
from services.store.index.messages import FlagChange, FlagsUpdated
from services.store.index.record import DELETED, FLAGGED, SEEN, SHARED, TOMBSTONE
from tests.store.index.support import (
    DATE,
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

ADD, REMOVE, REPLACE = 1, 2, 3


async def store(
    index: Index, scope: Scope, which: list[int], change: FlagChange, by: Request | None = None
) -> FlagsUpdated:
    return await index.update_flags(scope, by or request(), 1, uids(*which), change)


async def test_append(index: Index) -> None:
    scope = await new_account(index)
    sent = [message(SEEN | DELETED, ["$Work", "later"], 70), message(0, ["LATER"], 8)]
    done = await index.append(scope, request(), 1, sent)
    assert not done.duplicate
    assert (done.mailbox, done.seq, np.frombuffer(done.uids, "<u4").tolist()) == (1, 8, [1, 2])
    box = await header(index, scope)
    assert done.uidvalidity == box.uidvalidity
    assert (box.uidnext, box.modseq, box.messages, box.unseen, box.deleted, box.size) == (3, 8, 2, 1, 1, 78)
    assert box.keywords == ["$Work", "later"]
    rows = await records(index, scope)
    assert rows["uid"].tolist() == [1, 2]
    assert rows["flags"].tolist() == [SEEN | DELETED | 1 << 16 | 1 << 17, 1 << 17]
    assert rows["body"].tolist() == [m.body for m in sent]
    for name in ("modseq", "email", "thread", "created_modseq"):
        assert rows[name].tolist() == [7, 8]
    for name, expected in (("size", [70, 8]), ("stored_length", [70, 8]), ("offset", [0, 0])):
        assert rows[name].tolist() == expected
    assert rows["internal_date"].tolist() == [DATE, DATE]
    assert await index.summaries(scope.account, 1, uids(1, 2, 3)) == [sent[0].summary, sent[1].summary, None]


async def test_append_goes_to_all_pages(index: Index) -> None:
    scope = await new_account(index)
    assert (await fill(index, scope, 300)).tolist() == list(range(1, 301))
    await fill(index, scope, 100)
    head = await index.head(scope, 0, "INBOX")
    assert head.directory["page"].tolist() == [0, 1, 2, 3]
    assert head.directory["live"].tolist() == [127, 128, 128, 17]
    assert head.directory["modseq"].tolist() == [6 + 127, 6 + 255, 6 + 383, 6 + 400]
    assert (await records(index, scope))["uid"].tolist() == list(range(1, 401))
    assert (await header(index, scope)).messages == 400


async def test_summaries_are_a_list_with_a_place_for_every_uid(index: Index) -> None:
    """Also where there is none: an expunged message, UID 0; a page where nothing lives has no list."""
    scope = await new_account(index)
    key = keys.summary_key(scope.account, 1, 0)

    async def places() -> list[bytes]:
        found: list[bytes] = await index.connection.command("LRANGE", key, 0, -1)
        return found

    async def expunge(*which: int) -> None:
        await index.expunge(scope, request(), 1, uids(*which), force=True)

    sent = [message() for _ in range(4)]
    await index.append(scope, request(), 1, sent[:2])
    await index.append(scope, request(), 1, sent[2:3])
    assert await places() == [b"", *(m.summary for m in sent[:3])]
    await expunge(1, 3)
    assert await places() == [b"", b"", sent[1].summary, b""]
    await expunge(2)
    assert await index.connection.command("EXISTS", key) == 0
    await index.append(scope, request(), 1, sent[3:])
    assert await places() == [b"", b"", b"", b"", sent[3].summary]
    assert await index.summaries(scope.account, 1, uids(1, 4, 5)) == [None, sent[3].summary, None]


@pytest.mark.parametrize("step", [1, 2, 16, 17, 40, 128, 200])
async def test_summaries_of_some_messages(index: Index, step: int) -> None:
    """Those beside each other in one command, those further apart in several."""
    scope = await new_account(index)
    sent = [message() for _ in range(400)]
    await index.append(scope, request(), 1, sent)
    await index.expunge(scope, request(), 1, uids(41, 129), force=True)
    wanted = np.arange(1, 410, step, dtype="<u4")
    kept = {uid: m.summary for uid, m in enumerate(sent, 1) if uid not in (41, 129)}
    assert await index.summaries(scope.account, 1, wanted) == [kept.get(uid) for uid in wanted.tolist()]
    assert await index.summaries(scope.account, 2, wanted) == [None] * len(wanted)
    assert await index.summaries(scope.account, 1, uids()) == []


async def test_a_page_fills_message_by_message(index: Index) -> None:
    """Each is put behind the records that are there; the last one writes the page anew."""
    scope = await new_account(index)
    sent = [message() for _ in range(130)]
    for m in sent:
        await index.append(scope, request(), 1, [m])
    rows = await records(index, scope)
    assert rows["body"].tolist() == [m.body for m in sent]
    assert await index.connection.command("STRLEN", keys.page_key(scope.account, 1, 0)) == 16 + 80 * 127


async def test_append_to_no_mailbox(index: Index) -> None:
    scope = await new_account(index)
    before = await keys_of(index)
    for mailbox in ("nowhere", 99):
        with pytest.raises(Refused) as refused:
            await index.append(scope, request(), mailbox, [message()])
        assert refused.value.reason == "MAILBOX_NOT_FOUND"
    assert await keys_of(index) == before


async def test_48_keywords_fit_and_one_more_is_refused_whole(index: Index) -> None:
    scope = await new_account(index)
    words = [f"word{n}" for n in range(48)]
    await index.append(
        scope, request(), 1, [message(SEEN, words), message(0, [words[15], words[16], words[47]])]
    )
    rows = await records(index, scope)
    assert rows["flags"].tolist() == [0xFFFF_FFFF_FFFF_0001, 1 << 31 | 1 << 32 | 1 << 63]
    before = await keys_of(index)
    with pytest.raises(Refused) as refused:
        await index.append(scope, request(), 1, [message(), message(0, ["word48"])])
    assert refused.value.reason == "LIMIT"
    with pytest.raises(Refused) as refused:
        await store(index, scope, [1], FlagChange(ADD, 0, ["word48"]))
    assert refused.value.reason == "LIMIT"
    assert await keys_of(index) == before
    changed = await store(index, scope, [1, 2], FlagChange(REMOVE, 0, ["WORD47", "unknown"]))
    assert changed.flags.tolist() == [0x7FFF_FFFF_FFFF_0001, 1 << 31 | 1 << 32]
    assert changed.keywords == words


async def test_flags_add_remove_replace(index: Index) -> None:
    scope = await new_account(index)
    await fill(index, scope, 3)
    added = await store(index, scope, [1, 2, 9], FlagChange(ADD, SEEN | DELETED, ["a", "b"]))
    assert (added.uids.tolist(), added.missing.tolist(), added.modified.tolist()) == ([1, 2], [9], [])
    assert added.flags.tolist() == [SEEN | DELETED | 3 << 16] * 2
    assert (added.seq, added.modseqs.tolist(), added.keywords) == (10, [10, 10], ["a", "b"])
    box = await header(index, scope)
    assert (box.unseen, box.deleted, box.modseq, box.messages) == (1, 2, 10, 3)
    removed = await store(index, scope, [2, 3], FlagChange(REMOVE, SEEN, ["A"]))
    assert removed.flags.tolist() == [DELETED | 2 << 16, 0]
    assert removed.modseqs.tolist() == [11, 9]
    box = await header(index, scope)
    assert (box.unseen, box.deleted, box.modseq) == (2, 2, 11)
    replaced = await store(index, scope, [1, 2, 3], FlagChange(REPLACE, FLAGGED, ["c"]))
    assert replaced.flags.tolist() == [FLAGGED | 4 << 16] * 3
    box = await header(index, scope)
    assert (box.unseen, box.deleted, box.modseq, box.keywords) == (3, 0, 12, ["a", "b", "c"])
    assert (await records(index, scope))["modseq"].tolist() == [12, 12, 12]
    assert (await index.head(scope, 1, "")).directory["modseq"].tolist() == [12]


async def test_flags_that_change_nothing_leave_nothing(index: Index) -> None:
    """RFC 7162 §3.1.2: no new modseq; and a keyword that no message takes is not a keyword of the mailbox."""
    scope = await new_account(index)
    await fill(index, scope, 2, flags=SEEN)
    before, length = await keys_of(index), await log_length(index, scope)
    for change in (FlagChange(ADD, SEEN), FlagChange(REMOVE, 0, ["new"]), FlagChange(REPLACE, SEEN)):
        done = await store(index, scope, [1, 2], change)
        assert (done.seq, done.modseqs.tolist(), done.flags.tolist()) == (8, [7, 8], [SEEN, SEEN])
        assert done.keywords == []
    missing = await store(index, scope, [7], FlagChange(ADD, 0, ["new"]))
    assert (missing.missing.tolist(), missing.keywords, missing.seq) == ([7], [], 8)
    assert (await keys_of(index), await log_length(index, scope)) == (before, length)


async def test_unchanged_since(index: Index) -> None:
    """RFC 7162 §3.1.3: what changed later is left alone and told."""
    scope = await new_account(index)
    await fill(index, scope, 3)
    await store(index, scope, [2], FlagChange(ADD, FLAGGED))
    done = await store(index, scope, [1, 2, 3, 4], FlagChange(ADD, SEEN, unchanged_since=9))
    assert (done.uids.tolist(), done.modified.tolist(), done.missing.tolist()) == ([1, 3], [2], [4])
    assert (await records(index, scope))["flags"].tolist() == [SEEN, FLAGGED, SEEN]
    none = await store(index, scope, [1, 2, 3], FlagChange(ADD, DELETED, unchanged_since=0))
    assert (none.uids.tolist(), none.modified.tolist(), none.seq) == ([], [1, 2, 3], 11)
    every = await store(index, scope, [1, 2, 3], FlagChange(ADD, DELETED, unchanged_since=2**63 - 1))
    assert every.uids.tolist() == [1, 2, 3]


async def test_flags_say_nothing_of_what_is_ours(index: Index) -> None:
    scope = await new_account(index)
    await index.append(scope, request(), 1, [message(shared=True)])
    done = await store(index, scope, [1], FlagChange(REPLACE, SEEN))
    assert done.flags.tolist() == [SEEN]
    assert (await records(index, scope))["flags"].tolist() == [SEEN | SHARED]


async def test_many_changes_of_a_page(index: Index) -> None:
    """More than a few are written as one piece."""
    scope = await new_account(index)
    await fill(index, scope, 200)
    which = [*range(1, 60, 2), 126, 127, 128, 150, 200]
    await store(index, scope, which, FlagChange(ADD, FLAGGED, ["x"]))
    rows = await records(index, scope)
    assert rows["uid"][rows["flags"] == FLAGGED | 1 << 16].tolist() == which
    assert np.unique(rows["flags"]).tolist() == [0, FLAGGED | 1 << 16]
    assert rows["size"].tolist() == [1000] * 200


async def test_expunge(index: Index) -> None:
    scope = await new_account(index)
    await fill(index, scope, 3, flags=SEEN)
    await store(index, scope, [1, 3], FlagChange(ADD, DELETED))
    seq, gone = await index.expunge(scope, request(), 1, uids(1, 2, 3, 4))
    assert (seq, gone.tolist()) == (11, [1, 3])
    box = await header(index, scope)
    assert (box.messages, box.unseen, box.deleted, box.size, box.modseq, box.uidnext) == (
        1,
        0,
        0,
        1000,
        11,
        4,
    )
    rows = await records(index, scope)
    assert rows["uid"].tolist() == [1, 2, 3]
    assert rows["modseq"].tolist() == [11, 8, 11]
    assert [bool(flags & TOMBSTONE) for flags in rows["flags"].tolist()] == [True, False, True]
    assert (await index.head(scope, 1, "")).directory["live"].tolist() == [1]
    found = await index.summaries(scope.account, 1, uids(1, 2, 3))
    assert [summary is None for summary in found] == [True, False, True]
    shard, account = keys.tag(keys.shard_of(scope.account)), scope.account.encode()
    lists = await keys_of(index, shard)
    assert set(lists[shard + b":garbage"]) == {account + b"-" + rows["body"][n].tobytes() for n in (0, 2)}
    assert set(lists[shard + b":tombs"]) == {account + b"|1"}
    assert lists[keys.account_key(scope.account) + b":m:1"][b"tombs"] == b"2"


async def test_expunge_of_nothing_changes_nothing(index: Index) -> None:
    scope = await new_account(index)
    await fill(index, scope, 2)
    before, length = await keys_of(index), await log_length(index, scope)
    for which in (uids(1, 2), uids(9), uids()):
        seq, gone = await index.expunge(scope, request(), 1, which)
        assert (seq, gone.tolist()) == (8, [])
    assert (await keys_of(index), await log_length(index, scope)) == (before, length)


async def test_recent_is_claimed_once(index: Index) -> None:
    """RFC 3501 §2.3.2: a message is \\Recent in one session only."""
    scope = await new_account(index)
    assert await index.claim_recent(scope, request(), 1) == 0
    await fill(index, scope, 3)
    assert await index.recent_count(scope.account, await index.head(scope, 1, "")) == 3
    await index.expunge(scope, request(), 1, uids(2), force=True)
    assert await index.recent_count(scope.account, await index.head(scope, 1, "")) == 2
    seq = (await index.head(scope, 1, "")).seq
    assert await index.claim_recent(scope, request(), 1) == 1
    assert await index.claim_recent(scope, request(), 1) == 0
    await fill(index, scope, 1)
    head = await index.head(scope, 1, "")
    assert (head.seq, head.mailbox.recent_from) == (seq + 1, 4)
    assert await index.recent_count(scope.account, head) == 1
    assert await index.claim_recent(scope, request(), 1) == 4


async def test_recent_that_was_expunged_and_pruned(index: Index) -> None:
    scope = await new_account(index)
    await fill(index, scope, 2)
    await index.expunge(scope, request(), 1, uids(1, 2), force=True)
    shard = keys.shard_of(scope.account)
    for _ in range(2):
        await index.prune(shard, 2**45)
    assert await index.recent_count(scope.account, await index.head(scope, 1, "")) == 0
