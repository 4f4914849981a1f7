"""MessageService: messages of a mailbox (`proto/buuta/v1/message.proto`).

What changes something is here; what reads is in `reading.py` and `octets.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import numpy as np

from buuta.v1 import columns_pb2, message_pb2_grpc
from buuta.v1 import message_pb2 as pb
from services.common.errors import Refused
from services.store import octets, reading
from services.store.columns import read_uids
from services.store.context import Platform, caller, request_of, sender
from services.store.incoming import Incoming, Intake, now_date, request_chunks
from services.store.index.core import Scope
from services.store.index.messages import FlagChange, FlagsUpdated, NewMessage
from services.store.index.record import DELETED, SYSTEM_FLAGS
from services.store.mailbox_service import normal_name
from services.store.status import rpc

ROLES = frozenset({"imap"})
BODY_READERS = frozenset({"imap", "pop3"})
UPLOADERS = frozenset({"mx", "submission", "imap"})
MAX_ENTRIES = 1024
DROP_SECONDS, DROP_PAUSE = 10.0, 0.2  # for the rest of a refused upload, and without a piece of it
MAX_KEYWORD, MAX_KEYWORDS = 100, 48
# The years 1 to 9999, and zones of less than a day: what RFC 9051's date-time can say.
FIRST_SECOND, LAST_SECOND, ZONE_MINUTES = -62_135_596_800, 253_402_300_799, 1440
OPERATIONS = frozenset(pb.UpdateFlagsRequest.Operation.values()) - {0}
# Characters that no atom has (RFC 3501 §9), and what would break our lists.
NOT_ATOM = frozenset(b'(){%*"\\] \x7f') | frozenset(range(32))
T = TypeVar("T")


class MessageService(message_pb2_grpc.MessageServiceServicer):
    def __init__(self, platform: Platform, intake: Intake) -> None:
        self._platform, self._intake = platform, intake
        self._index = platform.index

    def _scope(self, request: Any, context: Any, roles: frozenset[str] = ROLES) -> Scope:
        return caller(self._platform, context, roles).scope(request.account)

    @rpc
    async def Upload(self, requests: AsyncIterator[pb.UploadRequest], context: Any) -> pb.UploadResponse:
        who, rest = await sender(self._platform, context, UPLOADERS), aiter(requests)
        first = await anext(rest, None)
        if first is None:
            raise Refused("INVALID_ARGUMENT", "an upload needs a request_id")
        try:
            if first.account and who.role in ROLES:
                who.scope(first.account)
            request = request_of(pb.UploadRequest(request_id=first.request_id))
            await self._index.check_room()
            incoming = await self._intake.stream(request.id, request_chunks(first.data, rest))
        except Refused:
            await _drop(rest)
            raise
        return pb.UploadResponse(upload=self._intake.handle(incoming), size=incoming.size)

    @rpc
    async def Append(self, request: pb.AppendRequest, context: Any) -> pb.AppendResponse:
        scope, repeatable = self._scope(request, context), request_of(request)
        if not 1 <= len(request.entries) <= MAX_ENTRIES:
            raise Refused("INVALID_ARGUMENT", "1 to 1,024 messages can be appended at once")
        for entry in request.entries:
            checked_flags(entry.flags, entry.keywords)
            check_date(entry.internal_date)
        await self._index.check_room()
        bodies = await asyncio.gather(
            *(
                self._intake.source(repeatable, place, entry.message)
                for place, entry in enumerate(request.entries)
            )
        )
        if len({body.body for body in bodies}) < len(
            bodies
        ):  # a repeated Upload has other octets in its handle
            raise Refused("UPLOAD_HANDLE", "An upload is one message")
        messages = [_new(entry, body) for entry, body in zip(request.entries, bodies, strict=True)]
        mailbox: int | str = request.mailbox or normal_name(request.name)
        done = await self._index.append(scope, repeatable, mailbox, messages)
        return pb.AppendResponse(
            mailbox=done.mailbox, uidvalidity=done.uidvalidity, uids=done.uids, seq=done.seq
        )

    @rpc
    async def UpdateFlags(self, request: pb.UpdateFlagsRequest, context: Any) -> pb.UpdateFlagsResponse:
        scope = self._scope(request, context)
        if request.operation not in OPERATIONS:
            raise Refused("INVALID_ARGUMENT", "operation is needed")
        checked_flags(request.flags, request.keywords)
        since = request.unchanged_since if request.HasField("unchanged_since") else None
        change = FlagChange(request.operation, request.flags, list(request.keywords), since)
        done = await self._index.update_flags(
            scope, request_of(request), request.mailbox, read_uids(request.uids), change
        )
        return pb.UpdateFlagsResponse(
            seq=done.seq,
            messages=flag_columns(done),
            modified=done.modified.tobytes(),
            missing=done.missing.tobytes(),
            keywords=done.keywords,
        )

    @rpc
    async def CopyMessages(self, request: pb.CopyMessagesRequest, context: Any) -> pb.CopyMessagesResponse:
        scope, name = self._scope(request, context), normal_name(request.destination)
        await self._index.check_room()
        uids = read_uids(request.uids)
        done = await _to_its_end(
            self._index.copy(scope, request_of(request), request.mailbox, uids, name, move=False)
        )
        return pb.CopyMessagesResponse(
            uidvalidity=done.uidvalidity,
            source_uids=done.source_uids.tobytes(),
            destination_uids=done.destination_uids.tobytes(),
            destination=done.destination,
        )

    @rpc
    async def MoveMessages(self, request: pb.MoveMessagesRequest, context: Any) -> pb.MoveMessagesResponse:
        scope, name = self._scope(request, context), normal_name(request.destination)
        uids = read_uids(request.uids)
        done = await self._index.copy(scope, request_of(request), request.mailbox, uids, name, move=True)
        return pb.MoveMessagesResponse(
            uidvalidity=done.uidvalidity,
            source_uids=done.source_uids.tobytes(),
            destination_uids=done.destination_uids.tobytes(),
            destination=done.destination,
            seq=done.seq,
        )

    @rpc
    async def ExpungeMessages(
        self, request: pb.ExpungeMessagesRequest, context: Any
    ) -> pb.ExpungeMessagesResponse:
        scope, repeatable = self._scope(request, context), request_of(request)
        uids = read_uids(request.uids)
        if not len(uids):
            rows = (await self._platform.views.get(scope, request.mailbox)).live
            uids = rows["uid"][(rows["flags"] & np.uint64(DELETED)) != 0]
        seq, gone = await self._index.expunge(scope, repeatable, request.mailbox, uids)
        return pb.ExpungeMessagesResponse(uids=gone.tobytes(), seq=seq)

    @rpc
    async def FetchMessages(
        self, request: pb.FetchMessagesRequest, context: Any
    ) -> AsyncIterator[pb.FetchMessagesResponse]:
        scope = self._scope(request, context)
        async with aclosing(reading.fetch(self._platform, scope, request)) as responses:
            async for response in responses:
                yield response

    @rpc
    async def FetchBodies(
        self, request: pb.FetchBodiesRequest, context: Any
    ) -> AsyncIterator[pb.FetchBodiesResponse]:
        roles = ROLES if request.mark_seen else BODY_READERS
        scope, uids = self._scope(request, context, roles), read_uids(request.uids)
        seen = None
        if request.mark_seen:
            if not len(uids):
                uids = (await self._platform.views.get(scope, request.mailbox)).live["uid"]
            change = FlagChange(pb.UpdateFlagsRequest.OPERATION_ADD, 1)
            seen = await self._index.update_flags(scope, request_of(request), request.mailbox, uids, change)
        async with aclosing(octets.fetch(self._platform, scope, request, seen)) as responses:
            async for response in responses:
                yield response

    @rpc
    async def SearchMessages(
        self, request: pb.SearchMessagesRequest, context: Any
    ) -> AsyncIterator[pb.SearchMessagesResponse]:
        scope = self._scope(request, context)
        async with aclosing(reading.search_mailbox(self._platform, scope, request)) as responses:
            async for response in responses:
                yield response


async def _drop(requests: AsyncIterator[pb.UploadRequest]) -> None:
    """Take what is still sent: gRPC's client does not see the status of a call that ends while it writes."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DROP_SECONDS):
            while await asyncio.wait_for(anext(requests, None), DROP_PAUSE) is not None:
                continue


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Not given up with its caller: a copy is never left half done (RFC 9051 §6.4.7)."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


def _new(entry: pb.AppendRequest.Entry, incoming: Incoming) -> NewMessage:
    return NewMessage(
        incoming.body,
        incoming.size,
        entry.internal_date or now_date(),
        incoming.summary,
        entry.flags,
        list(entry.keywords),
    )


def flag_columns(done: FlagsUpdated) -> columns_pb2.MessageColumns:
    return columns_pb2.MessageColumns(
        uids=done.uids.tobytes(), flags=done.flags.tobytes(), modseqs=done.modseqs.tobytes()
    )


def checked_flags(flags: int, keywords: Any) -> None:
    """Refused unless these are system flags and atoms."""
    if flags & ~SYSTEM_FLAGS:
        raise Refused("INVALID_ARGUMENT", "flags holds system flags only")
    if len(keywords) > MAX_KEYWORDS:
        raise Refused("LIMIT", "a message has at most 48 keywords")
    for word in keywords:
        octets_of = word.encode()
        if not 0 < len(octets_of) <= MAX_KEYWORD or NOT_ATOM & set(octets_of) or not word.isascii():
            raise Refused("INVALID_ARGUMENT", "a keyword is an atom of at most 100 characters")


def check_date(internal_date: int) -> None:
    """Refused unless it is a moment that a client can be told."""
    minutes = (internal_date & 0xFFFF ^ 0x8000) - 0x8000
    if not FIRST_SECOND <= internal_date >> 16 <= LAST_SECOND or abs(minutes) >= ZONE_MINUTES:
        raise Refused("INVALID_ARGUMENT", "internal_date is out of range")
