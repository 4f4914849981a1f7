"""One mail transaction: the envelope, and the message on its way into the store.

A message of up to 64 KiB is sent with the delivery itself; a larger one is
uploaded while it comes in, so that it is never held in memory, but for its
header. Nothing counts before `deliver` returns: then the message is durable for
its recipients.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from buuta.v1 import delivery_pb2
from buuta.v1.columns_pb2 import MessageSource
from buuta.v1.message_pb2 import UploadResponse
from services.common.errors import Fault, Refused
from services.common.ids import new_request_id
from services.common.protocol.address import Mailbox
from services.common.session import Spawn
from services.common.store_client import StoreClient
from services.common.store_session import StoreSession
from services.smtp.protocol.trace import MAX_RECEIVED, has_message_id, header_of, received_fields

MAX_RECIPIENTS = 1000  # RFC 5321 §4.5.3.1.8 asks for 100; a delivery takes 1,000
INLINE = 60_000  # octets; a delivery carries 65,536, trace fields included
WAITING = 4  # chunks that may wait for the upload
# A header is held until it is whole, to know what it lacks: 1,000 recipients of 256 octets in To are
# 256,000. Nothing is added to a longer one (RFC 6409 §8: MAY), lest it have a field twice.
MAX_HEADER = 320_000


@dataclass(frozen=True, slots=True)
class Recipient:
    """An accepted forward-path."""

    mailbox: Mailbox  # as the client wrote it
    account: str


@dataclass(slots=True)
class Outcome:
    """What became of a delivery."""

    gone: list[Recipient]  # whose account was deleted meanwhile
    duplicate: bool


class Transaction:
    """From MAIL to the reply behind the message."""

    def __init__(
        self, store: StoreClient, login: StoreSession | None, spawn: Spawn, reverse_path: str
    ) -> None:
        self._store, self._login, self._spawn = store, login, spawn
        self.id = new_request_id()  # names it in replies, trace fields and logs
        self.reverse_path = reverse_path  # "" for <>
        self.recipients: list[Recipient] = []
        self.malformed = 0  # forward-paths that were not taken
        self.failure: Fault | None = None  # told at the end of the message
        self._digest = hashlib.sha256(reverse_path.encode() + b"\n")
        self._head = bytearray()
        self._trace = b""
        self._missing: Callable[[bytes], bytes] = lambda header: b""
        self._searched = 0  # octets of the head in which no header ends
        self._named_by_us = False  # the Message-ID is ours
        self._chunks: asyncio.Queue[bytes | None] | None = None
        self._uploaded: asyncio.Future[UploadResponse] | None = None
        self._stopped = False

    def begin(self, trace: bytes, missing: Callable[[bytes], bytes]) -> None:
        """DATA: fields to put before the message, and what makes those that a header lacks."""
        self._trace, self._missing = trace, missing

    async def add(self, octets: bytes) -> None:
        """Octets of the message, in order."""
        self._digest.update(octets)
        if self._chunks is not None:
            await self._pass_on(octets)
            return
        self._head += octets
        whole_header = self._header_ends()
        if len(self._head) > (INLINE if whole_header else MAX_HEADER):
            await self._start_upload(whole_header)

    async def deliver(self) -> Outcome:
        """Make the message durable for all recipients; Unavailable: try again, nothing is doubled."""
        if self._chunks is None and len(self._head) > INLINE:  # all header
            await self._start_upload(whole_header=True)
        if self._chunks is None:
            source = MessageSource(inline=self._with_trace(whole_header=True))
        else:
            assert self._uploaded is not None
            await self._pass_on(None)
            source = MessageSource(upload=(await self._uploaded).upload)
        # Its request id is made now, not at MAIL: the store takes none that is old, and senders are slow.
        request = delivery_pb2.DeliverRequest(
            reverse_path=self.reverse_path,
            recipients=[
                delivery_pb2.DeliverRequest.Recipient(account=recipient.account)
                for recipient in self.recipients
            ],
            message=source,
            # Without a Message-ID of the client's an equal message may be a new one.
            dedupe_key=b"" if self._named_by_us else self._digest.digest(),
        )
        response = await self._store.delivery.Deliver(request, session=self._login)
        pairs = zip(self.recipients, response.results, strict=True)
        return Outcome(
            [recipient for recipient, result in pairs if not result.uid],
            all(result.duplicate for result in response.results),
        )

    async def abandon(self) -> None:
        """The message is not delivered; an upload that runs is stopped."""
        self._stopped = True
        self._head.clear()
        if self._chunks is not None and self._uploaded is not None and not self._uploaded.done():
            while not self._chunks.empty():
                self._chunks.get_nowait()
            self._chunks.put_nowait(None)
            await asyncio.wait((self._uploaded,))
        if self._uploaded is not None and self._uploaded.done() and not self._uploaded.cancelled():
            self._uploaded.exception()  # seen; nobody waits for it any more

    def _header_ends(self) -> bool:
        """Whether the head holds all of the header; octets are searched once, however they come."""
        if self._head.startswith(b"\r\n") or self._head.find(b"\r\n\r\n", self._searched) >= 0:
            return True
        self._searched = max(len(self._head) - 3, 0)
        return False

    def _with_trace(self, whole_header: bool) -> bytes:
        header = header_of(bytes(self._head))
        if received_fields(header) > MAX_RECEIVED:
            raise Refused("LOOP", "Too many hops: this message loops")
        added = self._missing(header) if whole_header else b""
        self._named_by_us = has_message_id(added)
        return self._trace + added + bytes(self._head)

    async def _start_upload(self, whole_header: bool) -> None:
        head = self._with_trace(whole_header)
        self._head.clear()
        self._chunks = asyncio.Queue(WAITING)
        self._uploaded = asyncio.get_running_loop().create_future()
        self._spawn(self._upload())
        await self._pass_on(head)

    async def _pass_on(self, octets: bytes | None) -> None:
        """To the upload, as fast as it takes them; at once when it has failed."""
        assert self._chunks is not None
        assert self._uploaded is not None
        if self._uploaded.done():
            self._uploaded.result()
            return
        putting = asyncio.ensure_future(self._chunks.put(octets))
        await asyncio.wait((putting, self._uploaded), return_when=asyncio.FIRST_COMPLETED)
        if not putting.done():
            putting.cancel()
            self._uploaded.result()

    async def _upload(self) -> None:
        assert self._uploaded is not None
        account = self.recipients[0].account if len(self.recipients) == 1 else ""
        try:
            response = await self._store.upload(self._pieces(), account=account, session=self._login)
        except BaseException as error:
            if not self._uploaded.done():
                self._uploaded.set_exception(error)
            return
        self._uploaded.set_result(response)

    async def _pieces(self) -> AsyncIterator[bytes]:
        assert self._chunks is not None
        while (octets := await self._chunks.get()) is not None:
            yield octets
        if self._stopped:
            raise ConnectionAbortedError("the message was abandoned")
