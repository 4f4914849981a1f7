"""Octets on their way in: scanned once while they become durable, then known by their body id.

Order of a write (docs/architecture.md): the body first, the index after it. A
crash between leaves an orphan object, never an entry without a body.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from buuta.v1 import columns_pb2
from services.common.errors import Refused
from services.common.mime import Scan, Scanner, scan_message
from services.store.bodies import BodyStore
from services.store.bodies.ids import body_id
from services.store.index.core import Request
from services.store.index.uploads import UploadOperations
from services.store.summary import decode_wire, encode_summary
from services.store.tokens import Tokens

MAX_INLINE = 64 * 1024
MAX_CHUNK = 256 * 1024  # octets of an UploadRequest
UPLOAD_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Incoming:
    """A durable body that no index knows yet."""

    body: bytes
    size: int
    summary: bytes
    has_message_id: bool


class Intake:
    """Takes octets for one store process."""

    def __init__(self, bodies: BodyStore, uploads: UploadOperations, tokens: Tokens, max_size: int) -> None:
        self._bodies, self._uploads = bodies, uploads
        self._tokens, self._max_size = tokens, max_size

    async def stream(self, request_id: bytes, chunks: AsyncIterator[bytes]) -> Incoming:
        """Make a message of any size durable."""
        scanner, digest, size = Scanner(), hashlib.sha256(), 0

        async def scanned() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in chunks:
                size += len(chunk)
                if size > self._max_size:
                    raise Refused("MESSAGE_TOO_LARGE", "The message is too large")
                scanner.feed(chunk)
                digest.update(chunk)
                yield chunk

        def name() -> bytes:
            return body_id(request_id, digest.digest())

        body = await self._bodies.put(name, scanned(), metadata())
        return _incoming(body, scanner.finish())

    async def source(self, request: Request, place: int, source: columns_pb2.MessageSource) -> Incoming:
        """The octets of one message of a request: inline, or uploaded before."""
        if source.WhichOneof("source") == "upload":
            handle = self._tokens.open_upload(source.upload, time.time())
            # Two messages of one body that do not know of each other would lose it with the first.
            if not await self._uploads.claim_upload(handle.body, request):
                raise Refused("UPLOAD_HANDLE", "The upload was used before")
            has_id = has_message_id(decode_wire(handle.summary)[0])
            return Incoming(handle.body, handle.size, handle.summary, has_id)
        data = source.inline
        if len(data) > MAX_INLINE:
            raise Refused("INVALID_ARGUMENT", "inline holds at most 65,536 octets: use Upload")
        body = body_id(request.id, request.digest, place)
        incoming = _incoming(body, scan_message(data))
        await self._bodies.put_small(body, data, metadata())
        return incoming

    def handle(self, incoming: Incoming) -> bytes:
        """What Upload returns."""
        return self._tokens.seal_upload(
            incoming.body, incoming.size, incoming.summary, time.time() + UPLOAD_SECONDS
        )


def _incoming(body: bytes, found: Scan) -> Incoming:
    return Incoming(body, found.size, encode_summary(found), has_message_id(found.envelope))


def has_message_id(envelope: bytes) -> bool:
    """The Message-ID is the last field of ENVELOPE (RFC 9051 §7.5.2)."""
    return not envelope.endswith(b"NIL)")


def metadata() -> dict[str, str]:
    """What is kept with every object."""
    return {"format": "1"}


def now_date() -> int:
    """The internal date of a message that arrives now: UTC seconds and zone 0, as in columns.proto."""
    return int(time.time()) << 16


async def request_chunks(first: bytes, requests: Any) -> AsyncIterator[bytes]:
    """The data of a stream of UploadRequests."""
    data = first
    while True:
        if len(data) > MAX_CHUNK:
            raise Refused("INVALID_ARGUMENT", "at most 262,144 octets a request")
        if data:
            yield data
        request = await anext(requests, None)
        if request is None:
            # A caller that gives up looks like one that is done, until the event loop's next turn.
            await asyncio.sleep(0)
            return
        data = request.data
