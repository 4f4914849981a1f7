"""SearchMessages over gRPC: the API's side of it; how keys match is in search/."""

import numpy as np
import pytest

from buuta.v1 import message_pb2 as pb
from services.store import reading
from services.store.bodies.local import LocalBodies
from tests.store.api import Api, Store, column, refused, uids_of

MESSAGES = [
    b"From: ann@example.test\r\nSubject: apples\r\n\r\nred ones\r\n",
    b"From: bob@example.test\r\nSubject: pears\r\nX-Spam: yes\r\n\r\ngreen ones\r\n",
    b"From: ann@example.test\r\nSubject: plums\r\n\r\nblue ones\r\n",
]


async def search(api: Api, key: pb.SearchKey, within: list[int] | None = None) -> list[int]:
    request = pb.SearchMessagesRequest(account=api.account, mailbox=(await api.mailbox()).id, key=key)
    request.within_uids = column(within or [])
    found: list[int] = []
    async for response in api.messages.SearchMessages(request):
        found += uids_of(response.uids)
        assert len(np.frombuffer(response.modseqs, "<u8")) * 8 == len(response.uids) * 2
    return found


async def test_searches(alice: Api) -> None:
    await alice.append(*MESSAGES)
    await alice.flag([2], 1)
    ann = pb.SearchKey(**{"from": "ANN@"})
    assert await search(alice, pb.SearchKey(all=True)) == [1, 2, 3]
    assert await search(alice, ann) == [1, 3]
    assert await search(alice, ann, within=[2, 3]) == [3]
    assert await search(alice, pb.SearchKey(body="GREEN")) == [2]
    assert await search(alice, pb.SearchKey(flags=pb.SearchKey.FlagTest(clear=1))) == [1, 3]
    assert await search(alice, pb.SearchKey(header=pb.SearchKey.Header(field="x-spam"))) == [2]
    both = pb.SearchKey.Group(keys=[ann, pb.SearchKey(subject="plum")])
    assert await search(alice, pb.SearchKey(**{"and": both})) == [3]
    assert await search(alice, pb.SearchKey(text="nowhere")) == []


async def test_a_mailbox_larger_than_what_is_read_together(
    alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "READ_AHEAD", 2)
    monkeypatch.setattr(reading, "SEARCH_BATCH", 2)
    uids = await alice.append(*MESSAGES * 3)
    await alice.expunge([2])
    ann = pb.SearchKey(**{"from": "ann@"})
    assert await search(alice, ann) == [1, 3, 4, 6, 7, 9]
    assert await search(alice, pb.SearchKey(**{"not": ann}), within=uids[2:]) == [5, 8]


async def test_expunged_messages_are_not_found(alice: Api) -> None:
    await alice.append(*MESSAGES)
    await alice.expunge([1])
    assert await search(alice, pb.SearchKey(body="ones")) == [2, 3]


async def test_a_body_that_cannot_be_read_is_no_mismatch(store: Store, alice: Api) -> None:
    await alice.append(*MESSAGES)
    bodies = store.platform.bodies
    assert isinstance(bodies, LocalBodies)
    for path in bodies._folder.glob("??/*"):
        path.unlink()
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await search(alice, pb.SearchKey(body="ones"))


def nested(depth: int) -> pb.SearchKey:
    key = pb.SearchKey(all=True)
    for _ in range(depth):
        key = pb.SearchKey(**{"not": key})
    return key


@pytest.mark.parametrize(
    "key",
    [
        pb.SearchKey(),
        pb.SearchKey(**{"not": pb.SearchKey()}),
        nested(60),
        pb.SearchKey(**{"or": pb.SearchKey.Group(keys=[pb.SearchKey(all=True)] * 2000)}),
        pb.SearchKey(body="x" * 70_000),
        pb.SearchKey(header=pb.SearchKey.Header(field="x" * 70_000)),
        pb.SearchKey(uids=b"abc"),
    ],
    ids=["none", "half", "deep", "wide", "long", "long field", "no column"],
)
async def test_programs_are_bounded(alice: Api, key: pb.SearchKey) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await search(alice, key)
