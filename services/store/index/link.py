"""One connection to a Redis server: commands go out as they come, replies are matched first in, first out.

Connecting, AUTH, TLS and SELECT are redis-py's, parsing is hiredis's. Commands
of one turn of the event loop leave in one write; no command has a task, a
timeout or a retry of its own. One watch looks at the oldest command in flight:
when its reply takes too long the connection is cut, and all that was in flight
on it is Unavailable, its outcome unknown. A link that broke is not used again:
node.py makes another one.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection, DefaultParser
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import InvalidResponse, RedisError, ResponseError

from services.common.errors import Unavailable

Command = Sequence[bytes | str | int]
Reply = Any  # what Redis answers: None, a number, octets, lists and dictionaries of them

# The watch counts its own looks, not seconds: while this process is held up nothing is late.
# A reply has this many of them, and so between `timeout` and 1.2 times that.
LOOKS = 5
MORE = object()  # no reply is complete


class Link(asyncio.Protocol):
    """From the connecting to the first failure of one connection."""

    def __init__(self, connection: AbstractConnection, timeout: float) -> None:
        self.broken = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=DefaultParser.parse_error, notEnoughData=MORE
        )
        self._unsent: list[bytes] = []
        self._sending = False  # what is unsent leaves with this turn of the loop
        # A reply's future, and the look of the watch before which it was asked for.
        self._waiting: deque[tuple[asyncio.Future[Reply], int]] = deque()
        self._pause, self._look_number = timeout / LOOKS, 0
        self._watch: asyncio.TimerHandle | None = None
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._task = self._loop.create_task(self._live(connection))

    @property
    def ended(self) -> bool:
        """Nothing is left of it."""
        return self._task.done()

    def put(self, command: Command) -> "asyncio.Future[Reply]":
        """The reply to come: a value, an exception object for an error reply, or an Unavailable."""
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._unsent.append(hiredis.pack_command(tuple(command)))  # type: ignore[arg-type]  # it takes int as well
        self._waiting.append((future, self._look_number))
        if not self._sending and self._transport is not None:
            self._sending = True
            self._loop.call_soon(self._send)
        if self._watch is None:
            self._watch = self._loop.call_later(self._pause, self._look)
        return future

    async def close(self) -> None:
        """What is in flight is waited for, then the connection ends."""
        if self._waiting:
            await asyncio.wait([future for future, _ in self._waiting])
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _live(self, connection: AbstractConnection) -> None:
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # redis has half its types
            assert connection._writer is not None
            transport = connection._writer.transport
            transport.set_protocol(self)
            self._transport = transport
            self._send()
            await self._lost
        except (RedisError, OSError, TimeoutError) as failure:
            self._end(failure)
        finally:
            self._end(LostConnection("closed"))
            if self._transport is not None:
                self._transport.abort()  # what a stalled server did not take is dropped, not sent some day
            await connection.disconnect(nowait=True)

    def _send(self) -> None:
        self._sending = False
        if self._unsent and self._transport is not None:
            octets, self._unsent = b"".join(self._unsent), []
            self._transport.write(octets)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not MORE:
                if isinstance(reply, hiredis.PushNotification):
                    continue  # what the server says unasked
                if isinstance(reply, RedisError) and not isinstance(reply, ResponseError):
                    raise reply  # the server serves nobody, or not us: it is loading, or wants a password
                if not self._waiting:
                    raise LostConnection("a reply that nobody asked for")
                future, _ = self._waiting.popleft()
                if not future.done():  # done: its caller gave up
                    future.set_result(reply)
        except RedisError as failure:
            self._end(failure)
            self._task.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or LostConnection("the server has closed the connection"))
        if not self._lost.done():
            self._lost.set_result(None)

    def _look(self) -> None:
        """The watch: starts with a command, ends when none is in flight."""
        self._look_number += 1
        self._watch = None
        if not self._waiting:
            return
        if self._look_number - self._waiting[0][1] > LOOKS:
            self._end(TimeoutError("no reply in time"))
            self._task.cancel()
        else:
            self._watch = self._loop.call_later(self._pause, self._look)

    def _end(self, cause: BaseException) -> None:
        """Nothing more is taken; each command in flight is Unavailable."""
        self.broken = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                failure = Unavailable()
                failure.__cause__ = cause
                future.set_result(failure)
