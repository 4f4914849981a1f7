"""Unary calls of one store replica, many on one stream (CallService of the API).

What gRPC spends on a call of its own is several times what it spends on a
message of a stream that is open already; calls made in the same moment share
one. A stream that breaks fails its calls as UNAVAILABLE: their outcome is
unknown, and they are repeated with the same request id.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio

from buuta.v1.call_pb2 import Call, PipeRequest, PipeResponse, Reply
from services.common.retry import DETAILS, rpc_error

PATH = "/buuta.v1.CallService/Pipe"
EOF = grpc.aio.EOF  # type: ignore[attr-defined] # the stubs do not have it
# Larger requests go as calls of their own, so that small ones need not wait behind them.
MOST_OCTETS = 64 * 1024
TOGETHER = 256 * 1024  # octets of requests that share a message, about
# A store that has no pipes (an older one) is asked again after so many seconds.
ASK_AGAIN = 60.0
# With these a store says that it takes no pipe, or not of us.
REFUSALS = frozenset(
    {
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
    }
)
BROKEN = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError)
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Pipe:
    """The calls of one replica: a stream is opened when there is something to call."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Sequence[tuple[str, str]]) -> None:
        make = channel.stream_stream
        self._open = make(PATH, PipeRequest.SerializeToString, PipeResponse.FromString)
        self._metadata = metadata
        self._stream: _Stream | None = None
        self._streams: set[_Stream] = set()  # those that have ended for new calls too
        self._absent_until = 0.0
        self._calls = 0

    @property
    def available(self) -> bool:
        """False while the store is known to have no pipes."""
        return not self._absent_until or asyncio.get_running_loop().time() >= self._absent_until

    async def call(self, method: str, request: bytes, session_token: str, timeout: float) -> bytes:
        """The octets of the response; AioRpcError for any status but OK."""
        if self._stream is None or self._stream.closed:
            self._stream = _Stream(self._open(None, metadata=self._metadata), self._streams)
        self._calls += 1
        call = Call(
            id=self._calls,
            method=method,
            request=request,
            session_token=session_token,
            timeout_ms=max(1, int(timeout * 1000)),
        )
        stream = self._stream
        try:
            return await stream.answer(call, timeout)
        except grpc.aio.AioRpcError as error:
            if stream.broken and error.code() is grpc.StatusCode.UNIMPLEMENTED:
                self._absent_until = asyncio.get_running_loop().time() + ASK_AGAIN
            raise

    async def close(self) -> None:
        """End at once; calls that wait are UNAVAILABLE."""
        await asyncio.gather(*(stream.close() for stream in self._streams))


class _Stream:
    """One stream, to its end; it is among `streams` until then."""

    def __init__(self, call: Any, streams: "set[_Stream]") -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._out: list[Call] = []
        self._wake = asyncio.Event()
        self.closed = False  # takes no more calls
        self.broken = False  # ended with a status that its calls share
        self._task = asyncio.ensure_future(self._run())
        streams.add(self)
        self._task.add_done_callback(lambda _: streams.discard(self))

    async def answer(self, call: Call, timeout: float) -> bytes:
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting[call.id] = future
        self._out.append(call)
        self._wake.set()
        timer = self._loop.call_later(timeout, _expire, future)
        try:
            return await future
        finally:
            timer.cancel()
            del self._waiting[call.id]

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        writing = asyncio.ensure_future(self._write())
        try:
            await self._read()
        except BROKEN:
            pass  # the call has a status
        finally:
            self.closed = True
            self._call.cancel()  # does nothing to a call that has ended
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await self._fail_waiting()

    async def _read(self) -> None:
        while (response := await self._call.read()) is not EOF:
            for reply in response.replies:
                future = self._waiting.get(reply.id)
                if future is not None and not future.done():
                    _settle(future, reply)
            if response.draining:
                self.closed = True
                self._wake.set()

    async def _write(self) -> None:
        while not self.closed or self._out:
            await self._wake.wait()
            self._wake.clear()
            while self._out:
                await self._call.write(PipeRequest(calls=self._next_calls()))
        await self._call.done_writing()

    def _next_calls(self) -> list[Call]:
        """What goes into one message; nobody waits any more for some of the calls."""
        size = place = 0
        while place < len(self._out) and size < TOGETHER:
            size += len(self._out[place].request)
            place += 1
        taken, self._out = self._out[:place], self._out[place:]
        return [call for call in taken if call.id in self._waiting]

    async def _fail_waiting(self) -> None:
        """Who still waits gets the status that the stream ended with, or UNAVAILABLE: it just broke.

        So does a refused stream when gRPC finds first that nothing can be written: the next try is told.
        """
        self.broken = True
        code, text = await self._call.code(), await self._call.details()
        details = dict(await self._call.trailing_metadata() or ()).get(DETAILS, b"")
        if code not in REFUSALS:
            code = grpc.StatusCode.UNAVAILABLE
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(rpc_error(code, text or "the stream has ended", details))


def _settle(future: "asyncio.Future[bytes]", reply: Reply) -> None:
    if reply.code:
        code = CODES.get(reply.code, grpc.StatusCode.UNKNOWN)
        future.set_exception(rpc_error(code, reply.text, reply.details))
    else:
        future.set_result(reply.response)


def _expire(future: "asyncio.Future[bytes]") -> None:
    if not future.done():
        future.set_exception(rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED, "no answer in time"))
