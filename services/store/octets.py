"""Octets of messages and of their parts, streamed: small ones together, large ones in chunks.

What is in memory at a time is bounded, however many messages and sections are asked for.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np

from buuta.v1 import message_pb2 as pb
from services.common.errors import Refused
from services.common.mime import section_range, select_fields
from services.store.bodies import BodyMissing
from services.store.columns import columns_of, read_uids
from services.store.context import Platform
from services.store.index.core import Scope
from services.store.index.messages import FlagsUpdated
from services.store.index.record import Rows
from services.store.outgoing import Outgoing
from services.store.reading import MAX_FIELDS, MAX_HEADER, Header, missing, octets_of, summaries_of
from services.store.search import Pace
from services.store.summary import Summary

MAX_SECTIONS = 256
# Messages whose summaries are read together.
TOGETHER = 16
# Sections up to this size are read ahead together, up to so many octets and sections.
SMALL = 64 * 1024
AHEAD, AHEAD_SECTIONS = 1024 * 1024, 64
LISTS = (pb.BodySection.KIND_HEADER_FIELDS, pb.BodySection.KIND_HEADER_FIELDS_NOT)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One section of one message: a range of the body, or octets that are known already."""

    row: np.void
    section: int
    start: int = 0
    length: int = 0
    known: bytes | None = None
    absent: bool = False

    @property
    def small(self) -> bool:
        """It has to be read, and is read whole."""
        return self.known is None and not self.absent and self.length <= SMALL

    @property
    def octets(self) -> int:
        """In memory while it waits."""
        return len(self.known) if self.known is not None else self.length if self.small else 0


async def fetch(
    platform: Platform, scope: Scope, request: pb.FetchBodiesRequest, seen: FlagsUpdated | None
) -> AsyncGenerator[pb.FetchBodiesResponse, None]:
    """The answer to FetchBodies."""
    _check(request.sections)
    view = await platform.views.get(scope, request.mailbox)
    rows = view.select(read_uids(request.uids), tombstones=request.include_expunged)
    if seen is not None or request.columns:
        yield _first(request, rows, seen)
    out = Outgoing()
    async with aclosing(_groups(platform, scope, request, rows)) as groups:
        async for group in groups:
            async with aclosing(_send(platform, out, group)) as responses:
                async for response in responses:
                    yield response
    for response in out.rest():
        yield response


def _check(sections: Sequence[pb.BodySection]) -> None:
    if not 1 <= len(sections) <= MAX_SECTIONS:
        raise Refused("INVALID_ARGUMENT", "1 to 256 sections are needed")
    if any(len(section.fields) > MAX_FIELDS for section in sections):
        raise Refused("INVALID_ARGUMENT", "too many header fields")


def _first(request: pb.FetchBodiesRequest, rows: Rows, seen: FlagsUpdated | None) -> pb.FetchBodiesResponse:
    response = pb.FetchBodiesResponse()
    if seen is not None:
        response.changed.uids = seen.uids.tobytes()
        response.changed.flags = seen.flags.tobytes()
        response.changed.modseqs = seen.modseqs.tobytes()
    if request.columns:
        response.columns.CopyFrom(columns_of(rows))
    return response


async def _groups(
    platform: Platform, scope: Scope, request: pb.FetchBodiesRequest, rows: Rows
) -> AsyncGenerator[list[Wanted], None]:
    """The sections of the messages in order, as many at a time as are read together."""
    group: list[Wanted] = []
    octets, pace = 0, Pace()
    for at in range(0, len(rows), TOGETHER):
        part = rows[at : at + TOGETHER]
        summaries = await _summaries(platform, scope, request, part)
        for row, summary in zip(part, summaries, strict=True):
            header = None if summary is None else Header(platform, row, summary)
            for place, section in enumerate(request.sections):
                wanted = await _resolve(platform, row, header, place, section)
                await pace.turn()
                if group and (octets + wanted.octets > AHEAD or len(group) == AHEAD_SECTIONS):
                    yield group
                    group, octets = [], 0
                group.append(wanted)
                octets += wanted.octets
    if group:
        yield group


async def _summaries(
    platform: Platform, scope: Scope, request: pb.FetchBodiesRequest, rows: Rows
) -> Sequence[Summary | None]:
    """None where whole messages are all that is asked for."""
    if all(_is_whole(section) for section in request.sections):
        return [None] * len(rows)
    return await summaries_of(platform, scope, request.mailbox, rows)


def _is_whole(section: pb.BodySection) -> bool:
    return not section.part and section.kind == pb.BodySection.KIND_UNSPECIFIED


async def _resolve(
    platform: Platform, row: np.void, header: Header | None, place: int, section: pb.BodySection
) -> Wanted:
    """A section as a range of its message's body."""
    if header is None or _is_whole(section):
        return _cut(row, place, section, 0, int(row["size"]))
    names = [name.encode() for name in section.fields]
    except_ = section.kind == pb.BodySection.KIND_HEADER_FIELDS_NOT
    if section.kind in LISTS and not section.part:
        return _known(row, place, section, await header.fields(names, except_))
    span = section_range(header.summary, section.part, section.kind)
    if span is None:
        return Wanted(row, place, absent=True)
    if section.kind not in LISTS:
        return _cut(row, place, section, *span)
    block = await octets_of(platform, row, span[0], min(span[1] - span[0], MAX_HEADER))
    return _known(row, place, section, select_fields(block, names, except_))


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


async def _send(
    platform: Platform, out: Outgoing, group: list[Wanted]
) -> AsyncGenerator[pb.FetchBodiesResponse, None]:
    """A group's octets; its small sections are read all at once."""
    small = [item for item in group if item.small]
    read = await asyncio.gather(*(octets_of(platform, item.row, item.start, item.length) for item in small))
    ready = iter(read)
    for item in group:
        uid = int(item.row["uid"])
        if item.absent:
            responses = out.absent(uid, item.section)
        elif item.known is not None:
            responses = out.whole(uid, item.section, item.known)
        elif item.small:
            responses = out.whole(uid, item.section, next(ready))
        else:
            async with (
                aclosing(_chunks(platform, item)) as chunks,
                aclosing(out.stream(uid, item.section, item.length, chunks)) as stream,
            ):
                async for response in stream:
                    yield response
            continue
        for response in responses:
            yield response


async def _chunks(platform: Platform, item: Wanted) -> AsyncGenerator[bytes, None]:
    async with aclosing(platform.bodies.read(item.row["body"].tobytes(), item.start, item.length)) as chunks:
        try:
            async for chunk in chunks:
                yield chunk
        except BodyMissing:
            raise missing(item.row) from None
