"""The message of one APPEND on its way to the store while it still arrives.

Small messages are kept and go with the Append request itself; from INLINE on
they stream through `StoreClient.upload`, whose task exists only until the
message is complete. The client is read no faster than the store takes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from buuta.v1.columns_pb2 import MessageSource
from buuta.v1.message_pb2 import UploadResponse
from services.common.errors import Fault, Refused, Unavailable
from services.common.session import Spawn
from services.imap.protocol.crlf import Normaliser

INLINE = 64 * 1024  # columns.proto, MessageSource
WAITING = 2  # chunks that may wait for the store

Uploader = Callable[[AsyncIterator[bytes]], Awaitable[UploadResponse]]


class Upload:
    """Takes chunks, gives a MessageSource."""

    __slots__ = ("_chunks", "_done", "_kept", "_lines", "_size", "_spawn", "_task", "_upload")

    def __init__(self, upload: Uploader, spawn: Spawn) -> None:
        self._upload, self._spawn = upload, spawn
        self._lines = Normaliser()
        self._kept: list[bytes] = []
        self._size = 0
        self._chunks: asyncio.Queue[bytes | None] | None = None  # None until it streams
        self._done: asyncio.Future[UploadResponse] | None = None
        self._task: asyncio.Task[None] | None = None

    async def add(self, chunk: bytes) -> None:
        """Take some more. What goes wrong on the way is told by `finish`."""
        chunk = self._lines.feed(chunk)
        self._size += len(chunk)
        if self._chunks is not None:
            await self._put(chunk)
            return
        self._kept.append(chunk)
        if self._size > INLINE:
            self._start()
            kept, self._kept = self._kept, []
            for piece in kept:
                await self._put(piece)

    async def finish(self) -> MessageSource:
        """The complete message, durable or inline."""
        if self._lines.nul:
            self.cancel()
            raise Refused("UNKNOWN_CTE", "The message contains NUL")  # RFC 3501 §4.3.1
        if self._chunks is None or self._done is None:
            return MessageSource(inline=b"".join(self._kept))
        await self._put(None)
        return MessageSource(upload=(await self._done).upload)

    def cancel(self) -> None:
        """The message will not be complete."""
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        self._chunks = asyncio.Queue(WAITING)
        self._done = asyncio.get_running_loop().create_future()
        self._task = self._spawn(self._run(self._done))

    async def _run(self, done: asyncio.Future[UploadResponse]) -> None:
        try:
            done.set_result(await self._upload(self._pieces()))
        except Fault as fault:
            done.set_exception(fault)
        finally:
            if not done.done():
                done.set_exception(Unavailable())
            done.exception()  # nobody may come to ask for it

    async def _pieces(self) -> AsyncIterator[bytes]:
        assert self._chunks is not None
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    async def _put(self, chunk: bytes | None) -> None:
        """Give a chunk to the store, or drop it when the upload has ended before its time."""
        assert self._chunks is not None
        assert self._done is not None
        if self._chunks.full() and not self._done.done():
            put = asyncio.ensure_future(self._chunks.put(chunk))
            await asyncio.wait((put, self._done), return_when=asyncio.FIRST_COMPLETED)
            put.cancel()
        elif not self._done.done():
            self._chunks.put_nowait(chunk)
