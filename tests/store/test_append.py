"""Upload and Append: what is stored, all or none, once."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import pytest

from buuta.v1 import message_pb2 as pb
from buuta.v1.columns_pb2 import MessageSource
from services.store.bodies.local import LocalBodies
from services.store.server import running
from services.store.tokens import Tokens
from tests.store.api import Api, Store, refused, rid, uids_of, until
from tests.support.processes import RedisServer
from tests.support.store import settings as store_settings

MESSAGE = b"From: a@example.test\r\nSubject: hello\r\n\r\ntext\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 100_000
WHOLE = pb.BodySection()


def upload_of(octets: bytes, request_id: bytes = b"", **first: Any) -> Iterator[pb.UploadRequest]:
    yield pb.UploadRequest(request_id=request_id or rid(), **first)
    for start in range(0, len(octets), 200_000):
        yield pb.UploadRequest(data=octets[start : start + 200_000])


async def unended(requests: Iterable[pb.UploadRequest]) -> AsyncIterator[pb.UploadRequest]:
    """A caller who would go on, but waits: gRPC loses the status of a call that ends under a write."""
    for request in requests:
        yield request
    await asyncio.Event().wait()


def append_of(api: Api, *sources: MessageSource, **fields: Any) -> pb.AppendRequest:
    request = pb.AppendRequest(account=api.account, request_id=rid(), name="INBOX", **fields)
    for source in sources:
        request.entries.add(message=source)
    return request


def files(store: Store) -> int:
    """How many bodies there are."""
    bodies = store.platform.bodies
    assert isinstance(bodies, LocalBodies)
    return sum(1 for path in bodies._folder.glob("??/*"))


# -- Append ---------------------------------------------------------------------------------


async def test_an_appended_message_is_as_it_came(alice: Api) -> None:
    request = append_of(alice, MessageSource(inline=MESSAGE), MessageSource(inline=b""))
    date = 1_700_000_000 << 16 | (-330 & 0xFFFF)
    request.entries[0].flags, request.entries[0].internal_date = 5, date
    request.entries[0].keywords.extend(["$Work", "todo"])
    answer = await alice.messages.Append(request)
    uids = uids_of(answer.uids)
    assert uids == [1, 2]
    inbox = await alice.mailbox()
    assert (answer.mailbox, answer.uidvalidity) == (inbox.id, inbox.uidvalidity)
    assert list(inbox.keywords) == ["$Work", "todo"]
    columns = (await alice.sync()).changed
    assert np.frombuffer(columns.flags, "<u8").tolist() == [5 | 3 << 16, 0]
    dates = np.frombuffer(columns.internal_dates, "<i8").tolist()
    assert dates[0] == date
    assert abs((dates[1] >> 16) - time.time()) < 300
    assert await alice.bodies(uids, WHOLE) == {(1, 0): MESSAGE, (2, 0): b""}


async def test_any_octets_can_be_appended(alice: Api) -> None:
    # A number of so many digits is one that Python does not read.
    octets = b"Content-Type: text/html\r\n\r\n<p>&#" + b"1" * 5000 + b";</p>\r\n"
    uids = await alice.append(octets)
    assert await alice.bodies(uids, WHOLE) == {(1, 0): octets}


async def test_a_repeat_appends_nothing_more(store: Store, alice: Api) -> None:
    request = append_of(alice, MessageSource(inline=MESSAGE))
    first = await alice.messages.Append(request)
    assert await alice.messages.Append(request) == first
    assert (await alice.mailbox()).messages == 1
    assert files(store) == 1


async def test_the_same_request_id_with_other_octets_harms_nothing(alice: Api) -> None:
    """What was acknowledged stays as it was, though the body's name comes from the request."""
    request = append_of(alice, MessageSource(inline=MESSAGE))
    uids = uids_of((await alice.messages.Append(request)).uids)
    request.entries[0].message.inline = b"Subject: forged\r\n\r\n"
    with refused("INVALID_ARGUMENT", "REQUEST_ID"):
        await alice.messages.Append(request)
    assert await alice.bodies(uids, WHOLE) == {(uids[0], 0): MESSAGE}


async def test_the_same_request_id_for_two_accounts_is_two_bodies(store: Store, alice: Api) -> None:
    bob, request_id = await store.login("bob"), rid()
    for api in (alice, bob):
        request = append_of(api, MessageSource(inline=MESSAGE))
        request.request_id = request_id
        await api.messages.Append(request)
    assert files(store) == 2


async def test_all_or_none(store: Store, alice: Api) -> None:
    request = append_of(alice, MessageSource(inline=MESSAGE), MessageSource(upload=b"no handle"))
    with refused("INVALID_ARGUMENT", "UPLOAD_HANDLE"):
        await alice.messages.Append(request)
    request = append_of(alice, MessageSource(inline=MESSAGE), MessageSource(inline=MESSAGE))
    request.name = "Nowhere"
    with refused("NOT_FOUND", "MAILBOX_NOT_FOUND"):
        await alice.messages.Append(request)
    assert (await alice.mailbox()).messages == 0


BAD: list[dict[str, Any]] = [
    {"flags": 1 << 5},
    {"flags": 1 << 15},
    {"flags": 1 << 63},
    {"keywords": ["two words"]},
    {"keywords": [""]},
    {"keywords": ["a\nb"]},
    {"keywords": ["x" * 101]},
    {"keywords": ["\u00fc"]},
    {"internal_date": 1 << 62},
    {"internal_date": -(1 << 62)},
    {"internal_date": 1_700_000_000 << 16 | 2000},
]


@pytest.mark.parametrize("fields", BAD)
async def test_bad_entries(alice: Api, fields: dict[str, Any]) -> None:
    request = pb.AppendRequest(account=alice.account, request_id=rid(), name="INBOX")
    request.entries.add(message=MessageSource(inline=MESSAGE), **fields)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await alice.messages.Append(request)


async def test_bounds(alice: Api) -> None:
    for request in (
        append_of(alice),
        append_of(alice, MessageSource(inline=bytes(65_537))),
        append_of(alice, *[MessageSource(inline=b"")] * 1025),
    ):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            await alice.messages.Append(request)
    request = append_of(alice, MessageSource(inline=b""))
    request.entries[0].keywords.extend(f"k{number}" for number in range(49))
    with refused("RESOURCE_EXHAUSTED", "LIMIT"):
        await alice.messages.Append(request)


async def test_the_most_messages_of_one_append(alice: Api) -> None:
    request = append_of(alice, *[MessageSource(inline=MESSAGE)] * 1024)
    assert uids_of((await alice.messages.Append(request)).uids) == list(range(1, 1025))


# -- Upload ---------------------------------------------------------------------------------


async def test_an_upload_is_appended(alice: Api) -> None:
    stored = await alice.messages.Upload(upload_of(LARGE, account=alice.account))
    assert stored.size == len(LARGE)
    uids = uids_of((await alice.messages.Append(append_of(alice, MessageSource(upload=stored.upload)))).uids)
    assert await alice.bodies(uids, WHOLE) == {(uids[0], 0): LARGE}


async def test_an_upload_is_one_message(store: Store, alice: Api) -> None:
    """Two messages that share a body and do not know it would lose it with the first of them."""
    bob = await store.login("bob")
    stored = await alice.messages.Upload(upload_of(LARGE))
    source = MessageSource(upload=stored.upload)
    request = append_of(alice, source)
    first = await alice.messages.Append(request)
    assert await alice.messages.Append(request) == first
    for api in (alice, bob):
        with refused("INVALID_ARGUMENT", "UPLOAD_HANDLE"):
            await api.messages.Append(append_of(api, source))


async def test_an_upload_is_not_two_messages_of_one_append(alice: Api) -> None:
    """Nor are the two handles that a repeated Upload gives."""
    request_id = rid()
    first, again = [await alice.messages.Upload(upload_of(LARGE, request_id)) for _ in range(2)]
    assert first.upload != again.upload
    for second in (first, again):
        sources = [MessageSource(upload=handle.upload) for handle in (first, second)]
        with refused("INVALID_ARGUMENT", "UPLOAD_HANDLE"):
            await alice.messages.Append(append_of(alice, *sources))
    assert (await alice.mailbox()).messages == 0


async def test_repeated_uploads(store: Store, alice: Api) -> None:
    request_id = rid()
    for _ in range(2):
        await alice.messages.Upload(upload_of(LARGE, request_id))
    assert files(store) == 1
    await alice.messages.Upload(upload_of(b"other octets", request_id))
    assert files(store) == 2


async def test_handles_that_are_none(alice: Api) -> None:
    stored = await alice.messages.Upload(upload_of(MESSAGE))
    good = stored.upload
    forged = Tokens("the key of another platform").seal_upload(bytes(16), 10, b"", time.time() + 60)
    expired = Tokens("a key for tests only").seal_upload(bytes(16), 10, b"", time.time() - 1)
    for handle in (good[:-1] + bytes([good[-1] ^ 1]), good[:-1], good + b"x", b"x", forged, expired):
        with refused("INVALID_ARGUMENT", "UPLOAD_HANDLE"):
            await alice.messages.Append(append_of(alice, MessageSource(upload=handle)))


async def test_bad_uploads(store: Store, alice: Api) -> None:
    bob = await store.login("bob")

    async def nothing() -> AsyncIterator[pb.UploadRequest]:
        for request in ():
            yield request

    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await alice.messages.Upload(nothing())
    too_much = bytes(262_145)
    for requests in (upload_of(b"", data=too_much), [*upload_of(b""), pb.UploadRequest(data=too_much)]):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            await alice.messages.Upload(unended(requests))
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await alice.messages.Upload(unended(upload_of(b"", account=bob.account)))
    assert files(store) == 0


async def test_a_message_that_is_too_large(
    redis_server: RedisServer, tmp_path: Path, store: Store, alice: Api
) -> None:
    settings = store_settings(redis_server.url, tmp_path / "bodies", MAX_MESSAGE_SIZE="1M")
    async with running(settings) as small:
        await asyncio.wait_for(small.ready.wait(), 30)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{small.port}") as channel:
            api = Api(channel, store.running.token("imap"), alice.session, alice.account)
            with refused("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE"):
                await api.messages.Upload(unended(upload_of(LARGE[:1_200_000])))
    assert files(store) == 0


async def test_an_upload_that_is_cut_leaves_nothing(store: Store, alice: Api) -> None:
    bodies = store.platform.bodies
    assert isinstance(bodies, LocalBodies)
    call = alice.messages.Upload(unended(upload_of(LARGE)))
    await until(lambda: list(bodies._folder.glob("incoming/*")))
    call.cancel()
    await until(lambda: not list(bodies._folder.glob("incoming/*")))
    assert files(store) == 0


async def test_a_session_that_ended_uploads_nothing(store: Store, alice: Api) -> None:
    await store.platform.index.set_password(rid(), alice.account, "")
    with refused("UNAUTHENTICATED", "SESSION_ENDED"):
        await alice.messages.Upload(unended(upload_of(b"")))
