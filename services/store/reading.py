"""Lists of messages: columns, what summaries hold, and searches. Ranges, never one message at a time."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import numpy as np

from buuta.v1 import message_pb2 as pb
from services.common.errors import Refused, Unavailable
from services.common.mime import Scanner, select_fields
from services.store.bodies import BodyMissing
from services.store.columns import columns_of, read_uids
from services.store.context import Platform
from services.store.index.core import Scope
from services.store.index.record import PUBLIC_FLAGS, TOMBSTONE, Rows
from services.store.search import Uids, search
from services.store.summary import Summary, decode_summary, decode_wire, encode_summary
from services.store.views import places_of

BATCH = 128  # messages a response
READ_AHEAD = 1024  # summaries a round trip
COLUMNS_BATCH = 16_384  # messages a response when nothing but columns is asked for
SEARCH_BATCH = 65_536
MAX_HEADER = 256 * 1024  # of one message or part; the scanner keeps no more either
MAX_SELECTIONS, MAX_FIELDS = 16, 256
MAX_RESPONSE = 8 * 1024 * 1024  # well below what gRPC carries


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
        records = await platform.index.summaries(scope.account, request.mailbox, ahead["uid"])
        for start in range(0, len(ahead), BATCH):
            end = start + BATCH
            for response in await _fitting(platform, request, ahead[start:end], records[start:end]):
                yield response


async def _fitting(
    platform: Platform, request: pb.FetchMessagesRequest, rows: Rows, records: Sequence[bytes | None]
) -> list[pb.FetchMessagesResponse]:
    """One response; several where headers are so large that one would be too large."""
    response = await _batch(platform, request, rows, records)
    if response.ByteSize() <= MAX_RESPONSE or len(rows) == 1:
        return [response]
    half = len(rows) // 2
    return [
        *await _fitting(platform, request, rows[:half], records[:half]),
        *await _fitting(platform, request, rows[half:], records[half:]),
    ]


async def _batch(
    platform: Platform, request: pb.FetchMessagesRequest, rows: Rows, records: Sequence[bytes | None]
) -> pb.FetchMessagesResponse:
    if None in records:  # expunged since the view was read
        there = [record is not None for record in records]
        rows, records = rows[there], [record for record in records if record is not None]
    columns = columns_of(rows, modseqs=request.columns, data=request.columns)
    response = pb.FetchMessagesResponse(columns=columns)
    if not (request.previews or request.headers):
        wires = [decode_wire(record) for record in records if record]
        if request.envelopes:
            response.envelopes.extend([wire[0] for wire in wires])
        if request.body_structures:
            response.body_structures.extend([wire[1] for wire in wires])
        return response
    summaries = [decode_summary(record) for record in records if record]
    if request.envelopes:
        response.envelopes.extend([summary.envelope for summary in summaries])
    if request.body_structures:
        response.body_structures.extend([summary.body_structure for summary in summaries])
    if request.previews:
        response.previews.extend([summary.preview for summary in summaries])
    for selection in request.headers:
        except_ = getattr(selection, "except")
        response.headers.add().values.extend(
            await asyncio.gather(
                *(
                    header_fields(platform, row, summary, selection.fields, except_)
                    for row, summary in zip(rows, summaries, strict=True)
                )
            )
        )
    return response


async def header_fields(
    platform: Platform, row: np.void, summary: Summary, names: Sequence[str], except_: bool
) -> bytes:
    """Some fields of a header: from the summary, or from the message where it cannot tell."""
    wanted = [name.encode() for name in names]
    known = summary.header_fields(wanted, except_)
    if known is not None:
        return known
    size = min(summary.header_size, MAX_HEADER)
    return select_fields(await octets_of(platform, row, 0, size), wanted, except_)


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
