"""Lists of messages: columns, what summaries hold, and searches. Ranges, never one message at a time."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import TypeAlias

import numpy as np

from buuta.v1 import message_pb2 as pb
from services.common.errors import Refused, Unavailable
from services.common.mime import Scanner, select_fields
from services.store.bodies import BodyMissing
from services.store.columns import columns_of, read_uids
from services.store.context import Platform
from services.store.index.core import Scope
from services.store.index.record import PUBLIC_FLAGS, TOMBSTONE, Rows
from services.store.search import Pace, Uids, search
from services.store.summary import Summary, decode_summary, decode_wire, encode_summary
from services.store.views import places_of

BATCH = 128  # messages a response
FEW = 16  # messages whose texts are in memory before anything looks at their size; BATCH is a multiple
READ_AHEAD = 1024  # summaries a round trip
COLUMNS_BATCH = 16_384  # messages a response when nothing but columns is asked for
SEARCH_BATCH = 65_536
MAX_HEADER = 256 * 1024  # of one message or part; the scanner keeps no more either
MAX_SELECTIONS, MAX_FIELDS = 16, 256
MAX_RESPONSE = 8 * 1024 * 1024  # well below what gRPC carries
AHEAD = 1024 * 1024  # octets of messages that wait while their headers are read together

Texts: TypeAlias = tuple[bytes, ...]
"""What a response has of one message beside its columns, in the order of the response's lists."""

Selection: TypeAlias = tuple[list[bytes], bool]
"""Names of header fields, and whether all but these are asked for."""


async def fetch(
    platform: Platform, scope: Scope, request: pb.FetchMessagesRequest
) -> AsyncGenerator[pb.FetchMessagesResponse, None]:
    """The answer to FetchMessages."""
    if len(request.headers) > MAX_SELECTIONS:
        raise Refused("INVALID_ARGUMENT", "at most 16 selections of header fields")
    if any(len(selection.fields) > MAX_FIELDS for selection in request.headers):
        raise Refused("INVALID_ARGUMENT", "too many header fields")
    view = await platform.views.get(scope, request.mailbox)
    rows = view.select(read_uids(request.uids))
    if not (request.envelopes or request.body_structures or request.previews or request.headers):
        for at in range(0, len(rows), COLUMNS_BATCH):
            yield pb.FetchMessagesResponse(columns=columns_of(rows[at : at + COLUMNS_BATCH]))
        return
    for at in range(0, len(rows), READ_AHEAD):
        ahead = rows[at : at + READ_AHEAD]
        found = await platform.index.summaries(scope.account, request.mailbox, ahead["uid"])
        records = [record for record in found if record is not None]
        if len(records) < len(ahead):  # expunged since the view was read
            ahead = ahead.take([place for place, record in enumerate(found) if record is not None])
        answer = _Answer(request, ahead)
        if request.headers:
            async with aclosing(_with_headers(platform, request, ahead, records)) as messages:
                async for message in messages:
                    for response in answer.add([message]):
                        yield response
        else:
            read = _reader(request)
            for start in range(0, len(records), FEW):
                for response in answer.add(read(records[start : start + FEW])):
                    yield response
        for response in answer.rest():
            yield response


class _Answer:
    """Messages of one response: at most BATCH, and not beyond MAX_RESPONSE unless one alone is."""

    def __init__(self, request: pb.FetchMessagesRequest, rows: Rows) -> None:
        self._request, self._rows = request, rows
        self._messages: list[Texts] = []
        self._first = self._octets = 0

    def add(self, messages: list[Texts]) -> list[pb.FetchMessagesResponse]:
        """The next of the rows; the responses of those before, as far as there is no room for them."""
        full = self.rest() if len(self._messages) == BATCH else []
        octets = self._octets + sum(map(len, chain.from_iterable(messages)))
        if len(self._messages) + len(messages) > BATCH or octets > MAX_RESPONSE:
            if len(messages) > 1:
                return [*full, *(response for message in messages for response in self.add([message]))]
            full += self.rest()
            octets = sum(map(len, messages[0]))
        self._messages += messages
        self._octets = octets
        return full

    def rest(self) -> list[pb.FetchMessagesResponse]:
        """A response of what was added since the last one."""
        return [self._response()] if self._messages else []

    def _response(self) -> pb.FetchMessagesResponse:
        request, end = self._request, self._first + len(self._messages)
        columns = columns_of(self._rows[self._first : end], modseqs=request.columns, data=request.columns)
        response = pb.FetchMessagesResponse(columns=columns)
        lists = zip(*self._messages, strict=True)
        if request.envelopes:
            response.envelopes.extend(next(lists))
        if request.body_structures:
            response.body_structures.extend(next(lists))
        if request.previews:
            response.previews.extend(next(lists))
        for values in lists:
            response.headers.add().values.extend(values)
        self._messages, self._first, self._octets = [], end, 0
        return response


def _reader(request: pb.FetchMessagesRequest) -> Callable[[Sequence[bytes]], list[Texts]]:
    """Reads from records what is asked for, if that is no header."""
    if request.previews:
        pick = _picker(request)
        return lambda records: [pick(decode_summary(record)) for record in records]
    if request.envelopes and request.body_structures:
        return lambda records: [decode_wire(record) for record in records]
    place = 0 if request.envelopes else 1
    return lambda records: [(decode_wire(record)[place],) for record in records]


def _picker(request: pb.FetchMessagesRequest) -> Callable[[Summary], Texts]:
    """Picks from a summary what is asked for."""
    asked = {
        "envelope": request.envelopes,
        "body_structure": request.body_structures,
        "preview": request.previews,
    }
    names = [name for name, wanted in asked.items() if wanted]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda summary: tuple([getattr(summary, name) for name in names])


async def _with_headers(
    platform: Platform, request: pb.FetchMessagesRequest, rows: Rows, records: Sequence[bytes]
) -> AsyncGenerator[Texts, None]:
    """Messages in order, with their selections; headers are read together as far as AHEAD goes."""
    selections = [
        ([name.encode() for name in selection.fields], bool(getattr(selection, "except")))
        for selection in request.headers
    ]
    pace = Pace()
    async with aclosing(_groups(platform, request, rows, records, selections)) as groups:
        async for group in groups:
            await asyncio.gather(*(message.header.octets() for message in group if None in message.known))
            while group:
                message = group.pop(0)
                values: list[bytes] = []
                for known, selection in zip(message.known, selections, strict=True):
                    values.append(await message.header.fields(*selection) if known is None else known)
                    await pace.turn()
                yield (*message.texts, *values)


async def _groups(
    platform: Platform,
    request: pb.FetchMessagesRequest,
    rows: Rows,
    records: Sequence[bytes],
    selections: Sequence[Selection],
) -> AsyncGenerator[list["_Listed"], None]:
    """The messages in order, as many at a time as may wait for their headers together."""
    pace, pick = Pace(), _picker(request)
    group: list[_Listed] = []
    octets = 0
    for row, record in zip(rows, records, strict=True):
        summary = decode_summary(record)
        known = [summary.header_fields(*selection) for selection in selections]
        message = _Listed(pick(summary), known, Header(platform, row, summary))
        if group and (octets + message.octets > AHEAD or len(group) == BATCH):
            yield group
            group, octets = [], 0
        group.append(message)
        octets += message.octets
        await pace.turn()
    if group:
        yield group


class Header:
    """Of one message. What its summary does not tell is read, once for all that is asked about it."""

    def __init__(self, platform: Platform, row: np.void, summary: Summary) -> None:
        self._platform, self._row, self.summary = platform, row, summary
        self._octets: bytes | None = None

    @property
    def size(self) -> int:
        return min(self.summary.header_size, MAX_HEADER)

    async def octets(self) -> bytes:
        if self._octets is None:
            self._octets = await octets_of(self._platform, self._row, 0, self.size)
        return self._octets

    async def fields(self, names: list[bytes], except_: bool) -> bytes:
        """Some fields, as BODY[HEADER.FIELDS (…)] has them."""
        known = self.summary.header_fields(names, except_)
        return select_fields(await self.octets(), names, except_) if known is None else known


@dataclass(frozen=True, slots=True)
class _Listed:
    """A message that waits for its header: what its summary tells, and None for each other selection."""

    texts: Texts
    known: list[bytes | None]
    header: Header

    @property
    def octets(self) -> int:
        """In memory while it waits."""
        return self.header.size + sum(map(len, self.texts)) + sum(len(known or b"") for known in self.known)


async def octets_of(platform: Platform, row: np.void, start: int, length: int) -> bytes:
    """A range that the message has, in memory."""
    try:
        data = await platform.bodies.get(row["body"].tobytes(), start, length)
    except BodyMissing:
        raise missing(row) from None
    if len(data) != length:
        raise Unavailable("The body of a message cannot be read to its end")
    return data


def missing(row: np.void) -> Exception:
    """An expunged message may be collected; of any other the body must be there, and may be again."""
    if int(row["flags"]) & TOMBSTONE:
        return Refused("MESSAGE_GONE", "The message was expunged")
    return Unavailable("The body of a message cannot be read")


class RowColumns:
    """Records as a search sees them."""

    def __init__(self, rows: Rows) -> None:
        # Contiguous: rows are found by it, for every piece of every message.
        self.uids = np.ascontiguousarray(rows["uid"])
        self.modseqs, self.sizes = rows["modseq"], rows["size"]
        self.flags = rows["flags"] & PUBLIC_FLAGS
        self.internal_dates, self.save_dates = rows["internal_date"], rows["save_date"]


class MailboxSource:
    """What a search reads of one mailbox."""

    def __init__(self, platform: Platform, scope: Scope, mailbox: int, rows: Rows) -> None:
        self._platform, self._scope, self._mailbox, self._rows = platform, scope, mailbox, rows
        self.columns = RowColumns(rows)

    async def summaries(self, uids: Uids) -> AsyncGenerator[tuple[int, Summary], None]:
        for at in range(0, len(uids), READ_AHEAD):
            ahead = uids[at : at + READ_AHEAD]
            records = await self._platform.index.summaries(self._scope.account, self._mailbox, ahead)
            for uid, record in zip(ahead.tolist(), records, strict=True):
                if record is not None:
                    yield uid, decode_summary(record)

    async def octets(self, uid: int, start: int, end: int) -> bytes:
        row = self._rows[np.searchsorted(self.columns.uids, np.uint32(uid))]
        try:
            return await self._platform.bodies.get(row["body"].tobytes(), start, end - start)
        except BodyMissing:
            now = await self._platform.views.get(self._scope, self._mailbox)
            if len(now.select(row["uid"].reshape(1))):
                raise missing(row) from None
            return b""  # expunged and collected meanwhile


async def search_mailbox(
    platform: Platform, scope: Scope, request: pb.SearchMessagesRequest
) -> AsyncGenerator[pb.SearchMessagesResponse, None]:
    """The answer to SearchMessages."""
    view = await platform.views.get(scope, request.mailbox)
    rows = view.select(read_uids(request.within_uids))
    if request.key.WhichOneof("key") is None:
        raise Refused("INVALID_ARGUMENT", "a search needs a key")
    source = MailboxSource(platform, scope, request.mailbox, rows)
    found = await search(request.key, source, view.head.mailbox.keywords)
    for at in range(0, max(len(found), 1), SEARCH_BATCH):
        uids = found[at : at + SEARCH_BATCH]
        modseqs = rows["modseq"].take(places_of(uids, source.columns.uids))
        yield pb.SearchMessagesResponse(uids=uids.tobytes(), modseqs=modseqs.tobytes())


async def summaries_of(platform: Platform, scope: Scope, mailbox: int, rows: Rows) -> list[Summary]:
    """The summary of each message; of an expunged one it is made anew from its body."""
    records = await platform.index.summaries(scope.account, mailbox, rows["uid"])
    return [
        decode_summary(record) if record is not None else await _scanned(platform, row)
        for row, record in zip(rows, records, strict=True)
    ]


async def _scanned(platform: Platform, row: np.void) -> Summary:
    scanner = Scanner()
    async with aclosing(platform.bodies.read(row["body"].tobytes(), 0, int(row["size"]))) as chunks:
        try:
            async for chunk in chunks:
                scanner.feed(chunk)
        except BodyMissing:
            raise missing(row) from None
    return decode_summary(encode_summary(scanner.finish()))
