"""One connection to a Redis server: commands go out as they come, replies are matched first in, first out.

Connecting, AUTH, TLS, SELECT and parsing are redis-py's. Commands of one turn
of the event loop leave in one write; no command has a task, a timeout or a
retry of its own. One watch looks at the oldest command in flight: when its
reply takes too long the connection is cut, and all that was in flight on it is
Unavailable, its outcome unknown. A link that broke is not used again: node.py
makes another one.
"""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import RedisError, ResponseError

from services.common.errors import Unavailable

Command = Sequence[bytes | str | int]
Reply = Any  # what Redis answers: None, a number, octets, lists and dictionaries of them

# The watch counts its own looks, not seconds: while this process is held up nothing is late.
# A reply has this many of them, and so between `timeout` and 1.2 times that.
LOOKS = 5


class Link:
    """From the connecting to the first failure of one connection."""

    def __init__(self, connection: AbstractConnection, timeout: float) -> None:
        self.broken = False
        self._loop = asyncio.get_running_loop()
        self._unsent: list[bytes] = []
        # A reply's future, and the look of the watch before which it was asked for.
        self._waiting: deque[tuple[asyncio.Future[Reply], int]] = deque()
        self._wake = asyncio.Event()
        self._pause, self._look_number = timeout / LOOKS, 0
        self._watch: asyncio.TimerHandle | None = None
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
        self._wake.set()
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
        transport: asyncio.WriteTransport | None = None
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # redis has half its types
            transport = connection._writer.transport if connection._writer else None
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write(connection))
                group.create_task(self._read(connection))
        except* (RedisError, OSError, TimeoutError) as failures:
            self._end(failures.exceptions[0])
        finally:
            self._end(LostConnection("closed"))
            if transport is not None:  # what a stalled server did not take is dropped, not sent some day
                transport.abort()
            await connection.disconnect(nowait=True)

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            octets, self._unsent = b"".join(self._unsent), []
            await connection.send_packed_command(octets, check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        waiting = self._waiting
        while True:
            reply: Reply
            try:
                reply = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
            except ResponseError as error:
                reply = error.with_traceback(None)
            if not waiting:
                raise LostConnection("a reply that nobody asked for")
            future, _ = waiting.popleft()
            if not future.done():  # done: its caller gave up
                future.set_result(reply)

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
