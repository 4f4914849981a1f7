"""Sending a message's octets to the store while they come in.

The source can be read only once. Its first octets are kept, so that an upload
that fails early starts again on another replica under the same request id; one
that fails later is Unavailable, and the peer sends its message again.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from buuta.v1.message_pb2 import UploadRequest, UploadResponse
from services.common.errors import Fault
from services.common.ids import new_request_id
from services.common.replicas import Replica
from services.common.retry import fault_of
from services.common.store_calls import Caller, Tries, as_rpc_errors
from services.common.store_session import StoreSession

PATH = "/buuta.v1.MessageService/Upload"
MAX_PIECE = 256 * 1024  # octets an UploadRequest may carry
KEPT = 64 * 1024  # first octets that can be sent again
LIMIT = 3600.0  # seconds for a whole upload: the source may be slow


class Source:
    """The pieces of a message: what is kept first, then what still comes."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._kept: list[bytes] = []
        self._size = 0

    @property
    def replayable(self) -> bool:
        """Whether everything that was taken so far can be given again."""
        return self._size <= KEPT

    async def pieces(self) -> AsyncIterator[bytes]:
        for piece in list(self._kept):
            yield piece
        async for chunk in self._chunks:
            for start in range(0, len(chunk), MAX_PIECE):
                piece = chunk[start : start + MAX_PIECE]
                self._size += len(piece)
                if self.replayable:
                    self._kept.append(piece)
                else:
                    self._kept.clear()
                yield piece


async def upload(
    caller: Caller, chunks: AsyncIterator[bytes], account: str, session: StoreSession | None
) -> UploadResponse:
    """Make the octets durable; the handle in the response is good for one hour."""
    first = UploadRequest(request_id=new_request_id(), account=account)
    source = Source(chunks)
    tries = Tries(caller.replicas, account, caller.timeout)
    while True:
        tries.restart()  # the time of the source is not the store's
        try:
            with as_rpc_errors():
                return await _send(tries, first, source, caller.metadata(session))
        except grpc.aio.AioRpcError as error:
            if not source.replayable:
                fault: Fault = fault_of(error)
                raise fault from error
            await tries.next(error)


async def _send(tries: Tries, first: UploadRequest, source: Source, metadata: Any) -> UploadResponse:
    call = _callable(tries.replica)(timeout=LIMIT, metadata=metadata)
    try:
        await _write(call, first.SerializeToString(), tries.timeout)
        async for piece in source.pieces():
            if call.done():
                break  # refused: the rest is not wanted
            await _write(call, UploadRequest(data=piece).SerializeToString(), tries.timeout)
        async with asyncio.timeout(tries.timeout):
            await call.done_writing()
            response: UploadResponse = await call
            return response
    finally:
        call.cancel()


async def _write(call: Any, octets: bytes, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout):
            await call.write(octets)
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
        await call  # raises the status that the call ended with
        raise


def _callable(replica: Replica) -> Any:
    found = replica.callables.get(PATH)
    if found is None:
        found = replica.channel.stream_unary(PATH, None, UploadResponse.FromString)
        replica.callables[PATH] = found
    return found
