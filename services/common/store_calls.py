"""Calls of the store: tokens, request ids, deadlines, and tries on one replica after another.

A request is serialised once, request id included, so that every try sends the
same octets. A failure comes out as Refused or Unavailable (`retry.py`).
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.common.errors import Fault, Unavailable
from services.common.ids import new_request_id
from services.common.pipe import EOF, MOST_OCTETS, Pipe
from services.common.replicas import Replica, Replicas
from services.common.retry import RETRYABLE, SHUN_DOWN, SHUN_SLOW, fault_of, pauses, rpc_error
from services.common.store_session import StoreSession

Metadata = tuple[tuple[str, str], ...]

# A stream as a whole; each wait for its next response has the deadline of a call.
STREAM_LIMIT = 3600.0
# These answer when there is something to tell.
ENDLESS = frozenset({"Watch"})
# Mutations only when this field asks for it.
MUTATES_IF = {"SyncMailbox": "claim_recent", "FetchBodies": "mark_seen"}


class Method:
    """How one RPC is called."""

    __slots__ = ("_condition", "endless", "has_request_id", "path", "response", "streams")

    def __init__(self, descriptor: MethodDescriptor) -> None:
        self.path = f"/{descriptor.containing_service.full_name}/{descriptor.name}"
        self.response = GetMessageClass(descriptor.output_type)
        self.streams: bool = descriptor.server_streaming
        self.endless = descriptor.name in ENDLESS
        self.has_request_id = "request_id" in descriptor.input_type.fields_by_name
        self._condition = MUTATES_IF.get(descriptor.name)

    def serialise(self, request: Any) -> bytes:
        """The octets for all tries. The caller's message stays as it is: a second call is another one."""
        octets: bytes
        if (
            not self.has_request_id
            or request.request_id
            or (self._condition is not None and not getattr(request, self._condition))
        ):
            octets = request.SerializeToString()
            return octets
        request.request_id = new_request_id()
        octets = request.SerializeToString()
        request.ClearField("request_id")
        return octets

    def on(self, replica: Replica) -> Any:
        """gRPC's callable for this method on a replica; it takes octets."""
        found = replica.callables.get(self.path)
        if found is None:
            make = replica.channel.unary_stream if self.streams else replica.channel.unary_unary
            found = make(self.path, None, self.response.FromString)
            replica.callables[self.path] = found
        return found


class Caller:
    """Makes the calls of one process."""

    def __init__(self, replicas: Replicas, service_token: str, timeout: float) -> None:
        self.replicas, self.timeout = replicas, timeout
        self._authorization = ("authorization", f"Bearer {service_token}")

    def metadata(self, session: StoreSession | None) -> Metadata:
        if session is None:
            return (self._authorization,)
        return (self._authorization, ("buuta-session", session.token))

    async def unary(
        self, method: Method, request: Any, session: StoreSession | None, timeout: float | None
    ) -> Any:
        octets = method.serialise(request)
        tries = Tries(self.replicas, account_of(request), timeout or self.timeout)
        while True:
            try:
                with as_rpc_errors():
                    return await self._once(method, tries, octets, session)
            except grpc.aio.AioRpcError as error:
                await tries.next(error)

    async def _once(self, method: Method, tries: "Tries", octets: bytes, session: StoreSession | None) -> Any:
        """One try: on the replica's pipe, or by itself when it is large or the replica has no pipes."""
        replica = tries.replica
        if replica.pipe is None:
            replica.pipe = Pipe(replica.channel, self.metadata(None))
        if len(octets) <= MOST_OCTETS and replica.pipe.available:
            token = session.token if session is not None else ""
            try:
                return method.response.FromString(
                    await replica.pipe.call(method.path, octets, token, tries.seconds)
                )
            except grpc.aio.AioRpcError:
                if replica.pipe.available:
                    raise
        return await method.on(replica)(octets, timeout=tries.seconds, metadata=self.metadata(session))

    async def stream(
        self, method: Method, request: Any, session: StoreSession | None, timeout: float | None
    ) -> AsyncGenerator[Any, None]:
        """Responses as they come; another replica is tried only before the first one."""
        octets, metadata = method.serialise(request), self.metadata(session)
        tries = Tries(self.replicas, account_of(request), timeout or self.timeout)
        limit = None if method.endless else STREAM_LIMIT
        while True:
            call, started = None, False
            try:
                with as_rpc_errors():
                    call = method.on(tries.replica)(octets, timeout=limit, metadata=metadata)
                    while (response := await self._read(call, method, tries, started)) is not EOF:
                        started = True
                        yield response
                return
            except grpc.aio.AioRpcError as error:
                if started:
                    raise fault_of(error) from error
                await tries.next(error)
            finally:
                if call is not None:
                    call.cancel()

    async def _read(self, call: Any, method: Method, tries: "Tries", started: bool) -> Any:
        if method.endless:
            return await call.read()
        async with asyncio.timeout(tries.timeout if started else tries.seconds):
            return await call.read()


class Tries:
    """The tries of one call: which replica, how long, and when to give up."""

    __slots__ = (
        "_account",
        "_deadline",
        "_loop",
        "_order",
        "_pauses",
        "_replicas",
        "_slow",
        "_tried",
        "replica",
        "timeout",
    )

    def __init__(self, replicas: Replicas, account: str, timeout: float) -> None:
        self.timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + timeout
        self._replicas, self._account = replicas, account
        self._tried: list[Replica] = []
        self._slow: set[Replica] = set()  # those that did not answer this call in time
        self._choose()
        self._pauses = pauses(len(self._order))

    def _choose(self) -> None:
        """Set the replica of this turn: names may stand for others since the last one."""
        self._order = self._replicas.order(self._account)
        if not self._order:
            self._replicas.look_again()
            raise Unavailable()
        # Each once before any of them twice: one that another call shuns may be well again.
        self.replica = min(self._order, key=self._tried.count)

    def restart(self) -> None:
        """Count the time from now on."""
        self._deadline = self._loop.time() + self.timeout

    @property
    def left(self) -> float:
        return self._deadline - self._loop.time()

    @property
    def seconds(self) -> float:
        """For this try. It leaves time for another replica, one that was down a moment ago included."""
        others = any(each is not self.replica and each not in self._slow for each in self._order)
        return self.left / 2 if others else max(self.left, 0.001)

    async def next(self, error: grpc.aio.AioRpcError) -> None:
        """Get ready for another try, or raise what the call ends with."""
        fault: Fault = fault_of(error)
        if error.code() not in RETRYABLE:
            raise fault
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            self._slow.add(self.replica)
            self.replica.shun(SHUN_SLOW)
        else:
            self.replica.shun(SHUN_DOWN)
        self._replicas.look_again()
        pause = next(self._pauses, None)
        if pause is None or pause >= self.left:
            raise fault
        self._tried.append(self.replica)
        await asyncio.sleep(pause)
        self._choose()


@contextmanager
def as_rpc_errors() -> Iterator[None]:
    """What else gRPC raises, as statuses: our own deadlines, and channels that were just retired."""
    try:
        yield
    except TimeoutError:
        raise rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED, "no answer in time") from None
    except (grpc.aio.UsageError, asyncio.InvalidStateError) as error:
        raise rpc_error(grpc.StatusCode.UNAVAILABLE, str(error)) from None


def account_of(request: Any) -> str:
    """Whose data a request is about, for the choice of a replica; empty where it is nobody's."""
    fields = request.DESCRIPTOR.fields_by_name
    if "account" in fields:
        return str(request.account)
    if "recipients" in fields and request.recipients:
        return str(request.recipients[0].account)
    return ""


class Service:
    """One service of the API: an attribute for each of its RPCs.

    Unary: `await service.Rpc(request, session=None)`. Server stream:
    `async for response in service.Rpc(request, session=None)`.
    """

    def __init__(self, caller: "Caller", descriptor: ServiceDescriptor, before: Any) -> None:
        self._caller, self._before = caller, before
        self._methods = {
            method.name: Method(method) for method in descriptor.methods if not method.client_streaming
        }

    def __getattr__(self, name: str) -> Any:
        method = self._methods.get(name)
        if method is None:
            raise AttributeError(name)
        run = self._stream if method.streams else self._unary

        def call(request: Message, session: StoreSession | None = None, timeout: float | None = None) -> Any:
            return run(method, request, session, timeout)

        setattr(self, name, call)  # the next access finds it at once
        return call

    async def _unary(
        self, method: Method, request: Message, session: StoreSession | None, timeout: float | None
    ) -> Any:
        if session is not None and session.due:
            await self._before(session)
        return await self._caller.unary(method, request, session, timeout)

    async def _stream(
        self, method: Method, request: Message, session: StoreSession | None, timeout: float | None
    ) -> AsyncGenerator[Any, None]:
        if session is not None and session.due:
            await self._before(session)
        async with aclosing(self._caller.stream(method, request, session, timeout)) as responses:
            async for response in responses:
                yield response
