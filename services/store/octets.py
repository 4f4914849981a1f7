"""Octets of messages and of their parts, streamed: small ones together, large ones in chunks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np

from buuta.v1 import message_pb2 as pb
from services.common.errors import Refused, Unavailable
from services.common.mime import section_range, select_fields
from services.store.bodies import BodyMissing
from services.store.columns import columns_of, read_uids
from services.store.context import Platform
from services.store.index.core import Scope
from services.store.index.messages import FlagsUpdated
from services.store.index.record import TOMBSTONE, Rows
from services.store.outgoing import Outgoing
from services.store.reading import header_fields, summary_of

# Messages up to this size are read ahead together, at most this many at a time.
SMALL = 64 * 1024
TOGETHER = 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """One section of one message: a range of the body, or octets that are known already."""

    row: np.void
    section: int
    start: int = 0
    length: int = 0
    known: bytes | None = None
    absent: bool = False


async def fetch(
    platform: Platform, scope: Scope, request: pb.FetchBodiesRequest, seen: FlagsUpdated | None
) -> AsyncIterator[pb.FetchBodiesResponse]:
    """The answer to FetchBodies."""
    if not request.sections:
        raise Refused("INVALID_ARGUMENT", "at least one section is needed")
    view = await platform.views.get(scope, request.mailbox)
    rows = view.select(read_uids(request.uids), tombstones=request.include_expunged)
    out = Outgoing()
    if seen is not None or request.columns:
        yield _first(request, rows, seen)
    for at in range(0, len(rows), TOGETHER):
        wanted = await _resolve(platform, scope, request, rows[at : at + TOGETHER])
        small = [item for item in wanted if item.known is None and not item.absent and item.length <= SMALL]
        read = await asyncio.gather(*(_octets(platform, item) for item in small))
        ready = {id(item): data for item, data in zip(small, read, strict=True)}
        for item in wanted:
            uid = int(item.row["uid"])
            if item.absent:
                out.absent(uid, item.section)
            elif item.known is not None:
                out.whole(uid, item.section, item.known)
            elif id(item) in ready:
                out.whole(uid, item.section, ready[id(item)])
            else:
                async for response in out.stream(uid, item.section, item.length, _chunks(platform, item)):
                    yield response
            if out.full:
                yield out.take()
    if out.pending:
        yield out.take()


def _first(request: pb.FetchBodiesRequest, rows: Rows, seen: FlagsUpdated | None) -> pb.FetchBodiesResponse:
    response = pb.FetchBodiesResponse()
    if seen is not None:
        response.changed.uids = seen.uids.tobytes()
        response.changed.flags = seen.flags.tobytes()
        response.changed.modseqs = seen.modseqs.tobytes()
    if request.columns:
        response.columns.CopyFrom(columns_of(rows))
    return response


async def _resolve(
    platform: Platform, scope: Scope, request: pb.FetchBodiesRequest, rows: Rows
) -> list[Wanted]:
    """Each message's sections as ranges of its body."""
    found = []
    for row in rows:
        summary = None
        for place, section in enumerate(request.sections):
            whole = not section.part and section.kind == pb.BodySection.KIND_UNSPECIFIED
            if not whole and summary is None:
                try:
                    summary = await summary_of(platform, scope, request.mailbox, row)
                except BodyMissing:
                    raise _missing(row) from None
            if whole:
                found.append(_cut(row, place, section, 0, int(row["size"])))
                continue
            assert summary is not None
            names = section.kind in (
                pb.BodySection.KIND_HEADER_FIELDS,
                pb.BodySection.KIND_HEADER_FIELDS_NOT,
            )
            if names and not section.part:
                except_ = section.kind == pb.BodySection.KIND_HEADER_FIELDS_NOT
                data = await header_fields(platform, row, summary, section.fields, except_)
                found.append(_known(row, place, section, data))
                continue
            span = section_range(summary, section.part, section.kind)
            if span is None:
                found.append(Wanted(row, place, absent=True))
            elif names:
                found.append(_known(row, place, section, await _part_fields(platform, row, section, span)))
            else:
                found.append(_cut(row, place, section, *span))
    return found


async def _part_fields(
    platform: Platform, row: np.void, section: pb.BodySection, span: tuple[int, int]
) -> bytes:
    header = await platform.bodies.get(row["body"].tobytes(), span[0], span[1] - span[0])
    except_ = section.kind == pb.BodySection.KIND_HEADER_FIELDS_NOT
    return select_fields(header, [name.encode() for name in section.fields], except_)


def _cut(row: np.void, place: int, section: pb.BodySection, start: int, end: int) -> Wanted:
    """The part of [start, end) that offset and length leave."""
    start = min(start + section.offset, end)
    if section.length:
        end = min(start + section.length, end)
    if start == end:
        return Wanted(row, place, known=b"")
    return Wanted(row, place, start, end - start)


def _known(row: np.void, place: int, section: pb.BodySection, data: bytes) -> Wanted:
    end = section.offset + section.length if section.length else len(data)
    return Wanted(row, place, known=data[section.offset : end])


async def _octets(platform: Platform, item: Wanted) -> bytes:
    try:
        return await platform.bodies.get(item.row["body"].tobytes(), item.start, item.length)
    except BodyMissing:
        raise _missing(item.row) from None


async def _chunks(platform: Platform, item: Wanted) -> AsyncIterator[bytes]:
    try:
        async for chunk in platform.bodies.read(item.row["body"].tobytes(), item.start, item.length):
            yield chunk
    except BodyMissing:
        raise _missing(item.row) from None


def _missing(row: np.void) -> Exception:
    """An expunged message may be collected; of any other the body must be there, and may be again."""
    if int(row["flags"]) & TOMBSTONE:
        return Refused("MESSAGE_GONE", "The message was expunged")
    return Unavailable("The body of a message cannot be read")
