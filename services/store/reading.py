"""Lists of messages: columns, what summaries hold, and searches. Ranges, never one message at a time."""

from collections.abc import AsyncIterator, Sequence

import numpy as np

from buuta.v1 import message_pb2 as pb
from services.common.errors import Refused
from services.common.mime import select_fields
from services.store.bodies import BodyMissing
from services.store.columns import columns_of, read_uids
from services.store.context import Platform
from services.store.incoming import scan
from services.store.index.core import Scope
from services.store.index.record import PUBLIC_FLAGS, Rows
from services.store.search import search
from services.store.summary import Summary, decode_summary, decode_wire, encode_summary

BATCH = 128  # messages a response
READ_AHEAD = 1024  # summaries a round trip
COLUMNS_BATCH = 16_384  # messages a response when nothing but columns is asked for
SEARCH_BATCH = 65_536
MAX_HEADER = 256 * 1024


async def fetch(
    platform: Platform, scope: Scope, request: pb.FetchMessagesRequest
) -> AsyncIterator[pb.FetchMessagesResponse]:
    """The answer to FetchMessages."""
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
            yield await _batch(
                platform, request, ahead[start : start + BATCH], records[start : start + BATCH]
            )


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
        values = response.headers.add().values
        for row, summary in zip(rows, summaries, strict=True):
            values.append(
                await header_fields(platform, row, summary, selection.fields, getattr(selection, "except"))
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
    header = await platform.bodies.get(row["body"].tobytes(), 0, min(summary.header_size, MAX_HEADER))
    return select_fields(header, wanted, except_)


class RowColumns:
    """Records as a search sees them."""

    def __init__(self, rows: Rows) -> None:
        self.uids, self.modseqs, self.sizes = rows["uid"], rows["modseq"], rows["size"]
        self.flags = rows["flags"] & PUBLIC_FLAGS
        self.internal_dates, self.save_dates = rows["internal_date"], rows["save_date"]


class MailboxSource:
    """What a search reads of one mailbox."""

    def __init__(self, platform: Platform, scope: Scope, mailbox: int, rows: Rows) -> None:
        self._platform, self._scope, self._mailbox, self._rows = platform, scope, mailbox, rows
        self.columns = RowColumns(rows)

    async def summaries(self, uids: Sequence[int]) -> dict[int, Summary]:
        wanted = np.array(uids, "<u4")
        records = await self._platform.index.summaries(self._scope.account, self._mailbox, wanted)
        pairs = zip(uids, records, strict=True)
        return {int(uid): decode_summary(record) for uid, record in pairs if record is not None}

    async def octets(self, uid: int, start: int, end: int) -> bytes:
        row = self._rows[np.searchsorted(self._rows["uid"], uid)]
        try:
            return await self._platform.bodies.get(row["body"].tobytes(), start, end - start)
        except BodyMissing:
            return b""  # expunged and collected meanwhile


async def search_mailbox(
    platform: Platform, scope: Scope, request: pb.SearchMessagesRequest
) -> AsyncIterator[pb.SearchMessagesResponse]:
    """The answer to SearchMessages."""
    view = await platform.views.get(scope, request.mailbox)
    rows = view.select(read_uids(request.within_uids))
    if request.key.WhichOneof("key") is None:
        raise Refused("INVALID_ARGUMENT", "a search needs a key")
    source = MailboxSource(platform, scope, request.mailbox, rows)
    found = await search(request.key, source, view.head.mailbox.keywords)
    rows = rows[np.isin(rows["uid"], found)]
    for at in range(0, max(len(rows), 1), SEARCH_BATCH):
        part = rows[at : at + SEARCH_BATCH]
        yield pb.SearchMessagesResponse(
            uids=np.ascontiguousarray(part["uid"]).tobytes(),
            modseqs=np.ascontiguousarray(part["modseq"]).tobytes(),
        )


async def summary_of(platform: Platform, scope: Scope, mailbox: int, row: np.void) -> Summary:
    """The summary of one message; of an expunged one it is made anew from the header and body."""
    [record] = await platform.index.summaries(scope.account, mailbox, np.array([row["uid"]], "<u4"))
    if record is not None:
        return decode_summary(record)
    data = await platform.bodies.get(row["body"].tobytes(), 0, int(row["size"]))
    return decode_summary(encode_summary(scan(data)))
