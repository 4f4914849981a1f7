"""FetchMessages and FetchBodies: what mail clients list, and octets of messages and their parts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from buuta.v1 import message_pb2 as pb
from services.store import octets, reading
from services.store.bodies.local import LocalBodies
from services.store.index.core import Scope
from services.store.index.record import U32
from services.store.summary import decode_wire
from tests.store.api import Api, Store, collect, column, refused, rid, rows_of, uids_of, until

MIXED = (
    b"From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nSubject: parts\r\nX-Odd: 1\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nplain text\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nX-In: y\r\n\r\ninner text\r\n--b--\r\n"
)
PLAIN = b"From: ann@example.test\r\nSubject: plain\r\n\r\njust text\r\n"
HEADER = MIXED[: MIXED.index(b"\r\n\r\n") + 4]
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 60_000
WHOLE = pb.BodySection()
Kind = pb.BodySection
LIST = Kind.KIND_HEADER_FIELDS


async def fetch(api: Api, uids: list[int], **fields: Any) -> list[pb.FetchMessagesResponse]:
    request = pb.FetchMessagesRequest(account=api.account, uids=column(uids), **fields)
    request.mailbox = request.mailbox or (await api.mailbox()).id
    return [response async for response in api.messages.FetchMessages(request)]


# -- FetchMessages --------------------------------------------------------------------------


async def test_what_clients_list(alice: Api) -> None:
    uids = await alice.append(MIXED, PLAIN)
    fields = pb.HeaderSelection(fields=["Subject", "X-Odd"])
    others = pb.HeaderSelection(**{"fields": ["From", "Subject"], "except": True})
    [answer] = await fetch(
        alice, [*uids, 99], columns=True, envelopes=True, body_structures=True, previews=True,
        headers=[fields, others],
    )  # fmt: skip
    assert uids_of(answer.columns.uids) == uids
    assert np.frombuffer(answer.columns.sizes, "<u4").tolist() == [len(MIXED), len(PLAIN)]
    assert answer.envelopes[1].startswith(b'(NIL "plain" ((NIL NIL "ann" "example.test"))')
    assert answer.body_structures[0].startswith(b'(("TEXT" "PLAIN"')
    assert answer.body_structures[1].startswith(b'("TEXT" "PLAIN"')
    assert list(answer.previews) == [b"plain text", b"just text"]
    assert list(answer.headers[0].values) == [
        b"Subject: parts\r\nX-Odd: 1\r\n\r\n",
        b"Subject: plain\r\n\r\n",
    ]
    assert answer.headers[1].values[0].startswith(b"To: bob@example.test\r\nX-Odd: 1\r\nContent-Type:")
    assert answer.headers[1].values[1] == b"\r\n"


async def test_what_is_not_asked_for_is_not_told(alice: Api) -> None:
    await alice.append(PLAIN)
    [answer] = await fetch(alice, [], envelopes=True)
    assert uids_of(answer.columns.uids) == [1]
    assert not answer.columns.sizes
    assert not answer.body_structures
    [columns] = await fetch(alice, [], columns=True)
    assert (len(columns.columns.modseqs), len(columns.envelopes)) == (8, 0)


async def test_batches_come_in_order(alice: Api) -> None:
    uids = await alice.append(*[PLAIN] * 300)
    answers = await fetch(alice, uids[10:], envelopes=True)
    assert [len(answer.envelopes) for answer in answers] == [128, 128, 34]
    assert [uid for answer in answers for uid in uids_of(answer.columns.uids)] == uids[10:]


async def test_large_headers_make_smaller_batches(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_RESPONSE", 50_000)
    long = b"References: " + b"<id@example.test>\r\n " * 1000 + b"<last@example.test>\r\n\r\n"
    uids = await alice.append(*[long] * 9)
    answers = await fetch(alice, uids, headers=[pb.HeaderSelection(fields=["references"])])
    assert [value for answer in answers for value in answer.headers[0].values] == [long] * 9
    assert [uid for answer in answers for uid in uids_of(answer.columns.uids)] == uids
    assert len(answers) > 2


class Reads:
    """How often each body was read from."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bodies: list[bytes] = []
        bodies = store.platform.bodies
        get = bodies.get

        async def counted(body: bytes, offset: int = 0, length: int | None = None) -> bytes:
            self.bodies.append(body)
            return await get(body, offset, length)

        monkeypatch.setattr(bodies, "get", counted)


ODD = [b"X-Odd: %d %b\r\nX-Even: y\r\n\r\ntext" % (number, b"x" * 20_000) for number in range(12)]
ODD_HEADERS = [
    pb.HeaderSelection(fields=["X-Odd"]),
    pb.HeaderSelection(fields=["X-Even", "Subject"]),
    pb.HeaderSelection(**{"fields": ["X-Even"], "except": True}),
    pb.HeaderSelection(fields=["Subject"]),
]


async def test_a_header_is_read_once_for_all_selections(
    store: Store, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_RESPONSE", 100_000)
    uids = await alice.append(*ODD)
    reads = Reads(store, monkeypatch)
    answers = await fetch(alice, uids, headers=ODD_HEADERS, previews=True)
    assert len(reads.bodies) == len(set(reads.bodies)) == len(ODD)
    assert [uid for answer in answers for uid in uids_of(answer.columns.uids)] == uids
    assert [len(answer.previews) for answer in answers] == [2] * 6  # 40 KB each
    found = [[value for answer in answers for value in answer.headers[n].values] for n in range(4)]
    odd = [message[: message.index(b"X-Even")] + b"\r\n" for message in ODD]
    assert found == [odd, [b"X-Even: y\r\n\r\n"] * 12, odd, [b"\r\n"] * 12]


async def test_headers_are_read_as_they_are_sent(
    store: Store, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is bounded: one response, and headers up to AHEAD."""
    monkeypatch.setattr(reading, "MAX_RESPONSE", 50_000)
    monkeypatch.setattr(reading, "AHEAD", 50_000)
    await alice.append(*ODD)
    reads = Reads(store, monkeypatch)
    request = pb.FetchMessagesRequest(account=alice.account, mailbox=(await alice.mailbox()).id)
    request.headers.extend(ODD_HEADERS)
    responses = reading.fetch(store.platform, Scope(alice.account), request)
    for sent in range(1, 13):
        response = await anext(responses)
        assert len(response.headers[0].values) == 1
        assert response.ByteSize() <= 50_000
        assert len(reads.bodies) <= sent + 2
    assert [response async for response in responses] == []


async def test_large_envelopes_make_smaller_batches(
    store: Store, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_RESPONSE", 50_000)
    decoded: list[bytes] = []
    monkeypatch.setattr(reading, "decode_wire", lambda record: decoded.append(record) or decode_wire(record))
    uids = await alice.append(*[b"Subject: %d %b\r\n\r\n" % (n, b"x" * 15_000) for n in range(10)])
    answers = await fetch(alice, uids, envelopes=True, body_structures=True)
    assert [len(answer.envelopes) for answer in answers] == [3, 3, 3, 1]
    assert [len(answer.body_structures) for answer in answers] == [3, 3, 3, 1]
    assert [envelope[:8] for answer in answers for envelope in answer.envelopes] == [
        b'(NIL "%d ' % number for number in range(10)
    ]
    assert [uid for answer in answers for uid in uids_of(answer.columns.uids)] == uids
    assert len(decoded) == 10  # none of them twice


@pytest.mark.parametrize("asked", [{"envelopes": True}, {"headers": ODD_HEADERS[:1], "columns": True}])
async def test_a_message_that_goes_meanwhile_is_left_out(
    store: Store, alice: Api, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    await alice.append(MIXED, PLAIN, MIXED)
    whole = store.platform.index.summaries

    async def summaries(account: str, mailbox: int, uids: U32) -> list[bytes | None]:
        found = await whole(account, mailbox, uids)
        return [None if uid == 2 else record for uid, record in zip(uids.tolist(), found, strict=True)]

    monkeypatch.setattr(store.platform.index, "summaries", summaries)
    [answer] = await fetch(alice, [], **asked)
    assert uids_of(answer.columns.uids) == [1, 3]
    assert max(len(answer.envelopes), *(len(list_.values) for list_ in answer.headers), 0) == 2
    assert await fetch(alice, [2], **asked) == []


async def test_requests_are_bounded(alice: Api) -> None:
    await alice.append(PLAIN)
    many = [f"f{number}" for number in range(reading.MAX_FIELDS + 1)]
    for headers in ([pb.HeaderSelection()] * (reading.MAX_SELECTIONS + 1), [pb.HeaderSelection(fields=many)]):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            await fetch(alice, [], headers=headers)
    sections = [WHOLE] * (octets.MAX_SECTIONS + 1)
    for wrong in ([], sections, [pb.BodySection(kind=LIST, fields=many)]):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            await alice.bodies([1], *wrong)


# -- FetchBodies ----------------------------------------------------------------------------

SECTIONS: list[tuple[pb.BodySection, bytes | None]] = [
    (WHOLE, MIXED),
    (pb.BodySection(kind=Kind.KIND_HEADER), HEADER),
    (pb.BodySection(kind=Kind.KIND_TEXT), MIXED[len(HEADER) :]),
    (pb.BodySection(part=[1]), b"plain text"),
    (pb.BodySection(part=[1], kind=Kind.KIND_MIME), b"Content-Type: text/plain\r\n\r\n"),
    (pb.BodySection(part=[2]), b"Subject: inner\r\nX-In: y\r\n\r\ninner text"),
    (pb.BodySection(part=[2], kind=Kind.KIND_HEADER), b"Subject: inner\r\nX-In: y\r\n\r\n"),
    (pb.BodySection(part=[2], kind=LIST, fields=["x-in"]), b"X-In: y\r\n\r\n"),
    (pb.BodySection(part=[2, 1]), b"inner text"),
    (pb.BodySection(part=[3]), None),
    (pb.BodySection(part=[1, 1]), None),
    (pb.BodySection(kind=LIST, fields=["X-ODD", "to"]), b"To: bob@example.test\r\nX-Odd: 1\r\n\r\n"),
    (pb.BodySection(kind=LIST, fields=["absent"]), b"\r\n"),
    (pb.BodySection(offset=5, length=10), MIXED[5:15]),
    (pb.BodySection(offset=10**9), b""),
    (pb.BodySection(offset=len(MIXED) - 3, length=100), MIXED[-3:]),
    (pb.BodySection(part=[1], offset=6, length=4), b"text"),
    (pb.BodySection(kind=LIST, fields=["Subject"], offset=9, length=5), b"parts"),
]  # fmt: skip


async def test_sections(alice: Api) -> None:
    await alice.append(MIXED)
    found = await alice.bodies([1], *(section for section, _ in SECTIONS))
    assert found == {(1, place): expected for place, (_, expected) in enumerate(SECTIONS)}


async def test_a_header_is_read_once_for_all_sections(
    store: Store, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = await alice.append(*ODD)
    reads = Reads(store, monkeypatch)
    sections = [pb.BodySection(kind=LIST, fields=["X-Odd", f"none{number}"]) for number in range(20)]
    found = await alice.bodies(uids, *sections)
    odd = [message[: message.index(b"X-Even")] + b"\r\n" for message in ODD]
    assert found == {(uid, n): value for uid, value in zip(uids, odd, strict=True) for n in range(20)}
    assert len(reads.bodies) == len(set(reads.bodies)) == len(ODD)


async def test_many_sections_of_many_messages(alice: Api) -> None:
    """More than is read ahead at a time, small and large ones mixed, nothing lost or out of order."""
    messages = [PLAIN + b"%d\r\n" % number * (1 + number % 7 * 900) for number in range(60)]
    uids = await alice.append(*messages)
    stored = await alice.messages.Upload(iter([pb.UploadRequest(request_id=rid()), *large_chunks()]))
    request = pb.AppendRequest(account=alice.account, request_id=rid(), name="INBOX")
    request.entries.add().message.upload = stored.upload
    uids += uids_of((await alice.messages.Append(request)).uids)
    found = await alice.bodies(uids, WHOLE, pb.BodySection(kind=Kind.KIND_HEADER), WHOLE)
    for uid, message in zip(uids, [*messages, LARGE], strict=True):
        assert found[uid, 0] == found[uid, 2] == message
        assert found[uid, 1] == message[: message.index(b"\r\n\r\n") + 4]


def large_chunks() -> list[pb.UploadRequest]:
    return [pb.UploadRequest(data=LARGE[at : at + 100_000]) for at in range(0, len(LARGE), 100_000)]


async def test_no_uids_are_all_messages(alice: Api) -> None:
    await alice.append(PLAIN, MIXED)
    everything = await alice.bodies([], WHOLE, mark_seen=True, request_id=rid())
    assert everything == {(1, 0): PLAIN, (2, 0): MIXED}
    assert rows_of((await alice.sync()).changed) == {1: 1, 2: 1}
    inbox = (await alice.mailbox("Drafts")).id
    assert await alice.bodies([], WHOLE, mailbox=inbox) == {}


async def test_columns_and_seen(store: Store, alice: Api) -> None:
    uids = await alice.append(PLAIN, PLAIN)
    request = pb.FetchBodiesRequest(account=alice.account, mailbox=(await alice.mailbox()).id)
    request.uids, request.columns, request.mark_seen = column([*uids, 99]), True, True
    request.sections.add(kind=Kind.KIND_TEXT)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await collect(alice.messages.FetchBodies(request))
    request.request_id = rid()
    responses = [response async for response in alice.messages.FetchBodies(request)]
    assert rows_of(responses[0].changed) == rows_of(responses[0].columns) == dict.fromkeys(uids, 1)
    assert rows_of((await alice.sync()).changed) == dict.fromkeys(uids, 1)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await collect(store.api("pop3", alice.session).messages.FetchBodies(request))


async def test_expunged_messages_for_a_maildrop(alice: Api) -> None:
    uids = await alice.append(MIXED, PLAIN)
    await alice.expunge(uids[:1])
    assert await alice.bodies(uids, WHOLE) == {(2, 0): PLAIN}
    found = await alice.bodies(uids, WHOLE, pb.BodySection(part=[1]), include_expunged=True)
    assert found[1, 0] == MIXED
    assert found[1, 1] == b"plain text"  # its summary is gone: it is scanned anew


async def test_a_body_that_cannot_be_read(store: Store, alice: Api) -> None:
    """Of a message that is there it is a failure that may pass; of an expunged one it is gone."""
    await alice.append(PLAIN, MIXED, MIXED + b"x")
    bodies = store.platform.bodies
    assert isinstance(bodies, LocalBodies)
    for path in bodies._folder.glob("??/*"):
        if path.stat().st_size == len(MIXED):
            path.write_bytes(MIXED[:-10])
        else:
            path.unlink()
    for uid, section in ((1, WHOLE), (1, pb.BodySection(kind=Kind.KIND_TEXT)), (2, WHOLE)):
        with refused("UNAVAILABLE", "UNAVAILABLE"):
            await alice.bodies([uid], section)
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await fetch(alice, [3], headers=[pb.HeaderSelection(fields=["X-Odd"])])
    await alice.expunge([1])
    with refused("NOT_FOUND", "MESSAGE_GONE"):
        await alice.bodies([1], WHOLE, include_expunged=True)


async def test_a_client_that_stops_reading_leaves_nothing_open(store: Store, alice: Api) -> None:
    stored = await alice.messages.Upload(iter([pb.UploadRequest(request_id=rid()), *large_chunks()]))
    request = pb.AppendRequest(account=alice.account, request_id=rid(), name="INBOX")
    request.entries.add().message.upload = stored.upload
    await alice.messages.Append(request)
    fetching = pb.FetchBodiesRequest(account=alice.account, mailbox=(await alice.mailbox()).id)
    fetching.uids = column([1])
    fetching.sections.extend([WHOLE] * 20)
    for _ in range(20):
        call = alice.messages.FetchBodies(fetching)
        await anext(aiter(call))
        call.cancel()
    await until(lambda: not open_bodies())


def open_bodies() -> list[str]:
    """Files below a folder of bodies that this process holds open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if "/bodies/" in target:
            found.append(target)
    return found
