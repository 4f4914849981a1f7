"""CallService: many unary calls on one stream (`proto/buuta/v1/call.proto`).

A call on a pipe runs the method that a call by itself runs, with the same
tokens and deadlines; only what gRPC spends on each call is saved.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import structlog
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from buuta.v1 import call_pb2 as pb
from buuta.v1 import call_pb2_grpc
from services.common.retry import DETAILS
from services.store.status import rpc

log = structlog.stdlib.get_logger()
EOF = grpc.aio.EOF  # type: ignore[attr-defined] # the stubs do not have it
GONE = (grpc.aio.BaseError, asyncio.InvalidStateError)  # what a stream whose client has gone raises
DEFAULT_SECONDS = 20.0
# Calls of one stream at work; beyond them it is not read from.
AT_WORK = 1000
# Octets of replies that may share a message.
TOGETHER = 256 * 1024


@dataclass(frozen=True, slots=True)
class Method:
    """A unary method of a servicer."""

    run: Any  # async (request, context) -> response
    request: Any  # its class


def methods_of(servicers: Iterable[tuple[FileDescriptor, Any]]) -> dict[str, Method]:
    """The unary methods by gRPC path of servicers and the files that describe them."""
    found = {}
    for file, servicer in servicers:
        for service in file.services_by_name.values():
            for method in service.methods:
                if not (method.client_streaming or method.server_streaming):
                    path = f"/{service.full_name}/{method.name}"
                    found[path] = Method(getattr(servicer, method.name), GetMessageClass(method.input_type))
    return found


class CallService(call_pb2_grpc.CallServiceServicer):
    def __init__(self, methods: Mapping[str, Method], admit: Callable[[Any], object]) -> None:
        """`admit` looks at a stream's context, and is Refused when its caller may make no calls at all."""
        self._methods, self._admit = methods, admit
        self._pipes: set[Pipe] = set()

    @rpc
    async def Pipe(self, requests: Any, context: Any) -> None:  # type: ignore[override]  # it writes by itself
        self._admit(context)
        pipe = Pipe(self._methods, context)
        self._pipes.add(pipe)
        try:
            await pipe.run()
        finally:
            self._pipes.discard(pipe)

    def drain(self) -> None:
        """Have clients make their next calls elsewhere."""
        for pipe in self._pipes:
            pipe.drain()


class Pipe:
    """One client's calls; each is a task, and one of those that are done writes for all."""

    def __init__(self, methods: Mapping[str, Method], context: Any) -> None:
        self._methods, self._context = methods, context
        self._metadata = tuple(context.invocation_metadata())
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._replies: list[pb.Reply] = []
        self._draining = self._writing = False

    async def run(self) -> None:
        """Until the client closes its side and has all its answers."""
        try:
            await self._read()
            while self._tasks:
                await asyncio.wait(self._tasks)
        except GONE:
            raise asyncio.CancelledError from None
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def drain(self) -> None:
        """Have the client make its next calls elsewhere."""
        self._draining = True
        self._start(self._write())

    async def _read(self) -> None:
        while (request := await self._context.read()) is not EOF:
            for call in request.calls:
                while len(self._tasks) >= AT_WORK:
                    self._room.clear()
                    await self._room.wait()
                self._start(self._perform(call))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.set()

    async def _write(self) -> None:
        if self._writing:
            return  # who writes now goes on until nothing is left
        self._writing = True
        try:
            while self._replies or self._draining:
                response = pb.PipeResponse(replies=self._next_replies(), draining=self._draining)
                self._draining = False
                await self._context.write(response)
        except GONE:
            self._replies.clear()
        finally:
            self._writing = False

    def _next_replies(self) -> list[pb.Reply]:
        """What goes into one message. A large reply goes alone: it may be as large as gRPC takes."""
        size = place = 0
        for reply in self._replies:
            size += len(reply.response)
            if place and size > TOGETHER:
                break
            place += 1
        taken, self._replies = self._replies[:place], self._replies[place:]
        return taken

    async def _perform(self, call: pb.Call) -> None:
        """Run one call and answer it."""
        task = asyncio.current_task()
        assert task is not None
        seconds = call.timeout_ms / 1000 or DEFAULT_SECONDS
        timer = self._loop.call_later(seconds, task.cancel)
        try:
            reply = await self._answer(call)
        except asyncio.CancelledError:
            reply = pb.Reply(code=grpc.StatusCode.DEADLINE_EXCEEDED.value[0], text="no answer in time")
        finally:
            timer.cancel()
        reply.id = call.id
        self._replies.append(reply)
        await self._write()

    async def _answer(self, call: pb.Call) -> pb.Reply:
        method = self._methods.get(call.method)
        if method is None:
            return pb.Reply(code=grpc.StatusCode.UNIMPLEMENTED.value[0], text="No such method on a pipe")
        try:
            request = method.request.FromString(call.request)
        except DecodeError:
            return pb.Reply(code=grpc.StatusCode.INVALID_ARGUMENT.value[0], text="Not the method's request")
        metadata = self._metadata
        if call.session_token:
            metadata = (*metadata, ("buuta-session", call.session_token))
        try:
            response = await method.run(request, CallContext(metadata))
        except Aborted as status:
            return status.reply
        except Exception:
            log.exception("call failed", method=call.method)
            return pb.Reply(code=grpc.StatusCode.UNKNOWN.value[0], text="Internal failure")
        return pb.Reply(response=response.SerializeToString())


class Aborted(Exception):
    """A method has ended its call with a status."""

    def __init__(self, reply: pb.Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class CallContext:
    """What methods use of gRPC's context."""

    __slots__ = ("_metadata",)

    def __init__(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    async def abort(
        self, code: grpc.StatusCode, text: str, trailing: tuple[tuple[str, bytes], ...] = ()
    ) -> None:
        details = dict(trailing).get(DETAILS, b"")
        raise Aborted(pb.Reply(code=code.value[0], text=text, details=details))
