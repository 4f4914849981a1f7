"""MessageService: flags, copy, move, expunge."""

import asyncio
from typing import Any

import numpy as np
import pytest

from buuta.v1 import message_pb2 as pb
from services.store.index import messages as index_messages
from tests.store.api import Api, Store, column, refused, rid, rows_of, uids_of

MESSAGE = b"Subject: x\r\n\r\ntext\r\n"
WHOLE = pb.BodySection()
ADD, REMOVE, REPLACE = 1, 2, 3


# -- flags ----------------------------------------------------------------------------------


async def test_flags_are_added_removed_replaced(alice: Api) -> None:
    uids = await alice.append(MESSAGE, MESSAGE, flags=1)
    assert rows_of((await alice.flag(uids[:1], 2, ADD)).messages) == {1: 3}
    assert rows_of((await alice.flag(uids, 1, REMOVE)).messages) == {1: 2, 2: 0}
    assert rows_of((await alice.flag(uids, 16, REPLACE)).messages) == {1: 16, 2: 16}
    answer = await alice.flag([1, 2, 7], 0, ADD, keywords=["$Work"])
    assert rows_of(answer.messages) == {1: 16 | 1 << 16, 2: 16 | 1 << 16}
    assert list(answer.keywords) == ["$Work"]
    assert uids_of(answer.missing) == [7]
    assert rows_of((await alice.sync()).changed) == rows_of(answer.messages)


async def test_a_change_of_nothing_has_no_number(alice: Api) -> None:
    [uid] = await alice.append(MESSAGE, flags=1)
    before = await alice.mailbox()
    answer = await alice.flag([uid], 1, ADD)
    assert rows_of(answer.messages) == {uid: 1}
    assert np.frombuffer(answer.messages.modseqs, "<u8").tolist() == [before.highest_modseq]
    assert (await alice.mailbox()).highest_modseq == before.highest_modseq


async def test_unchanged_since(alice: Api) -> None:
    first, second = await alice.append(MESSAGE, MESSAGE)
    since = (await alice.mailbox()).highest_modseq
    await alice.flag([second], 1)
    answer = await alice.flag([first, second], 2, ADD, unchanged_since=since)
    assert rows_of(answer.messages) == {first: 2}
    assert uids_of(answer.modified) == [second]
    nothing = await alice.flag([first, second], 4, ADD, unchanged_since=0)
    assert uids_of(nothing.modified) == [first, second]


async def test_a_repeat_has_the_same_answer(alice: Api) -> None:
    [uid] = await alice.append(MESSAGE)
    inbox = (await alice.mailbox()).id
    request = pb.UpdateFlagsRequest(account=alice.account, request_id=rid(), mailbox=inbox)
    request.uids, request.flags, request.operation = column([uid]), 1, pb.UpdateFlagsRequest.OPERATION_ADD
    first = await alice.messages.UpdateFlags(request)
    await alice.flag([uid], 1, REMOVE)
    assert await alice.messages.UpdateFlags(request) == first
    assert rows_of((await alice.sync()).changed) == {uid: 0}
    request.flags = 2
    with refused("INVALID_ARGUMENT", "REQUEST_ID"):
        await alice.messages.UpdateFlags(request)


async def test_a_request_id_is_of_one_method(alice: Api) -> None:
    """Also where the other one's arguments look the same."""
    [uid] = await alice.append(MESSAGE)
    inbox = (await alice.mailbox()).id
    copy = pb.CopyMessagesRequest(account=alice.account, request_id=rid(), mailbox=inbox, uids=column([uid]))
    copy.destination = "Trash"
    await alice.messages.CopyMessages(copy)
    move = pb.MoveMessagesRequest.FromString(copy.SerializeToString())
    with refused("INVALID_ARGUMENT", "REQUEST_ID"):
        await alice.messages.MoveMessages(move)


@pytest.mark.parametrize(
    "fields",
    [{"operation": 0}, {"operation": 9}, {"flags": 1 << 20}, {"keywords": ["a b"]}, {"uids": b"xyz"}],
)
async def test_bad_changes(alice: Api, fields: dict[str, Any]) -> None:
    good: dict[str, Any] = {"operation": 1, "flags": 1, "uids": column([1])}
    inbox = (await alice.mailbox()).id
    request = pb.UpdateFlagsRequest(account=alice.account, request_id=rid(), mailbox=inbox, **(good | fields))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await alice.messages.UpdateFlags(request)


async def test_keywords_are_limited(alice: Api) -> None:
    [uid] = await alice.append(MESSAGE)
    await alice.flag([uid], 0, keywords=[f"k{number}" for number in range(48)])
    inbox = await alice.mailbox()
    assert inbox.keywords_full
    with refused("RESOURCE_EXHAUSTED", "LIMIT"):
        await alice.flag([uid], 0, keywords=["one.more"])
    answer = await alice.flag([uid], 0, keywords=["K47"])  # known, whatever its case
    assert rows_of(answer.messages) == {uid: (1 << 48) - 1 << 16}


# -- copy and move --------------------------------------------------------------------------


async def copy(api: Api, uids: list[int], destination: str, move: bool = False, **more: Any) -> Any:
    kind = pb.MoveMessagesRequest if move else pb.CopyMessagesRequest
    call = api.messages.MoveMessages if move else api.messages.CopyMessages
    mailbox = more.pop("mailbox", 0) or (await api.mailbox()).id
    request_id = more.pop("request_id", None) or rid()
    return await call(
        kind(
            account=api.account,
            request_id=request_id,
            mailbox=mailbox,
            uids=column(uids),
            destination=destination,
        )
    )


async def test_copies_keep_what_a_message_has(alice: Api) -> None:
    other = await alice.create("Other")
    await alice.append(MESSAGE, name="Other")
    await alice.flag([1], 0, keywords=["taken"], mailbox=other.id)
    uids = await alice.append(b"Subject: one\r\n\r\n", b"Subject: two\r\n\r\n", flags=3)
    await alice.flag(uids[1:], 0, keywords=["$Work"])
    answer = await copy(alice, [*uids, 99], "Other")
    assert (answer.uidvalidity, answer.destination) == (other.uidvalidity, other.id)
    assert uids_of(answer.source_uids) == uids
    copies = uids_of(answer.destination_uids)
    synced = await alice.sync("Other")
    flags = rows_of(synced.changed)
    assert [flags[uid] for uid in copies] == [3, 3 | 1 << 17]  # keywords go by name
    assert list(synced.mailbox.keywords) == ["taken", "$Work"]
    assert await alice.bodies(copies, WHOLE, mailbox=other.id) == {
        (copies[0], 0): b"Subject: one\r\n\r\n",
        (copies[1], 0): b"Subject: two\r\n\r\n",
    }
    assert (await alice.mailbox()).messages == 2


async def test_moves(alice: Api) -> None:
    other = await alice.create("Other")
    uids = await alice.append(MESSAGE, MESSAGE, MESSAGE)
    request_id = rid()
    answer = await copy(alice, uids[:2], "Other", move=True, request_id=request_id)
    assert await copy(alice, uids[:2], "Other", move=True, request_id=request_id) == answer
    assert uids_of(answer.source_uids) == uids[:2]
    assert list(rows_of((await alice.sync()).changed)) == uids[2:]
    assert list(rows_of((await alice.sync("Other")).changed)) == uids_of(answer.destination_uids)
    assert answer.seq == (await alice.mailbox("Other")).highest_modseq
    await copy(alice, [uids[2]], "INBOX", move=True)  # to where it is: a new UID
    assert list(rows_of((await alice.sync()).changed)) == [uids[2] + 1]
    assert other.id == answer.destination


@pytest.mark.parametrize("move", [False, True])
async def test_a_destination_that_is_not_there(alice: Api, move: bool) -> None:
    uids = await alice.append(MESSAGE)
    with refused("NOT_FOUND", "DESTINATION_NOT_FOUND"):
        await copy(alice, uids, "Nowhere", move)
    with refused("NOT_FOUND", "MAILBOX_NOT_FOUND"):
        await copy(alice, uids, "Drafts", move, mailbox=4711)
    assert (await alice.mailbox()).messages == 1


async def test_a_large_copy_is_whole_or_nothing(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here in steps of two messages each; the destination runs full of keywords in the last one."""
    monkeypatch.setattr(index_messages, "MAX_COPY_STEP", 2)
    other = await alice.create("Other")
    await alice.append(MESSAGE, name="Other")
    await alice.flag([1], 0, keywords=[f"k{number}" for number in range(48)], mailbox=other.id)
    uids = await alice.append(*[MESSAGE] * 5)
    await alice.flag(uids[-1:], 0, keywords=["one.more"])
    with refused("RESOURCE_EXHAUSTED", "LIMIT"):
        await copy(alice, uids, "Other")
    assert (await alice.mailbox("Other")).messages == 1
    answer = await copy(alice, uids[:4], "Other")
    assert uids_of(answer.source_uids) == uids[:4]
    assert (await alice.mailbox("Other")).messages == 5


async def test_copies_at_the_same_time(alice: Api) -> None:
    uids = await alice.append(*[MESSAGE] * 10)
    answers = await asyncio.gather(*(copy(alice, uids, "Archive") for _ in range(8)))
    made = [uid for answer in answers for uid in uids_of(answer.destination_uids)]
    assert sorted(made) == list(range(1, 81))
    assert (await alice.mailbox("Archive")).messages == 80


# -- expunge --------------------------------------------------------------------------------


async def expunge(api: Api, uids: list[int], request_id: bytes = b"") -> list[int]:
    request = pb.ExpungeMessagesRequest(account=api.account, request_id=request_id or rid())
    request.mailbox, request.uids = (await api.mailbox()).id, column(uids)
    return uids_of((await api.messages.ExpungeMessages(request)).uids)


async def test_only_deleted_messages_go(alice: Api) -> None:
    first, second, third = await alice.append(MESSAGE, MESSAGE, MESSAGE)
    await alice.flag([first, third], 8)
    assert await expunge(alice, [second, third]) == [third]
    assert await expunge(alice, [third]) == []
    request_id = rid()
    assert await expunge(alice, [], request_id) == [first]
    assert await expunge(alice, [], request_id) == [first]  # the answer got lost
    assert list(rows_of((await alice.sync()).changed)) == [second]


async def test_uids_are_never_used_again(alice: Api) -> None:
    uids = await alice.append(MESSAGE, MESSAGE)
    await alice.expunge(uids)
    assert (await alice.mailbox()).uidnext == 3
    assert await alice.append(MESSAGE) == [3]


async def test_what_was_expunged_has_no_flags(alice: Api) -> None:
    [uid] = await alice.append(MESSAGE)
    await alice.expunge([uid])
    answer = await alice.flag([uid], 1)
    assert (answer.messages.uids, uids_of(answer.missing)) == (b"", [uid])
    assert uids_of((await copy(alice, [uid], "Archive")).source_uids) == []


async def test_mailboxes_of_others(store: Store, alice: Api) -> None:
    bob = await store.login("bob")
    await alice.append(MESSAGE)
    alices = await alice.create("Private")
    with refused("NOT_FOUND", "MAILBOX_NOT_FOUND"):
        await bob.flag([1], 1, mailbox=alices.id)
