"""One connection's conversation: octets into the engine, events out, performed one by one.

A session has a task only while it works: octets arrive, the engine is asked
for events until it needs more octets, each is performed, the answers of all of
them go out in one write, and the task ends. A session that waits for its peer
costs memory for its state alone. Events never run concurrently, and `on_wake`
runs between them. While the peer does not read its answers nothing more is
performed, so that what waits for it has a bound (`Stream.drain` cuts it).

The deadline for the peer's next octets is one lazy timer: it is looked at when
it fires, not moved at every octet.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from services.common.stream import Stream

# Octets that may wait behind the event that is being performed before reading stops.
READ_AHEAD = 64 * 1024
# Queued answers are given to the transport in pieces of about this size.
WRITE_PIECE = 64 * 1024

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Engine(Protocol):
    """A sans-IO protocol engine that is pulled, so that no octet is parsed in the wrong state."""

    def receive_data(self, data: bytes) -> None: ...
    def next_event(self) -> Any | None:
        """The next event, or None when more octets are needed."""
        ...

    @property
    def buffered(self) -> bool:
        """Whether octets wait that no event has consumed."""
        ...


class Session:
    """Base of the sessions of all front ends: `Session` here, the protocol in the subclass."""

    __slots__ = (
        "_ahead",
        "_closing",
        "_deadline",
        "_draining",
        "_eof",
        "_fresh",
        "_loop",
        "_lost",
        "_out",
        "_out_size",
        "_paused",
        "_running",
        "_spawn",
        "_timer",
        "_wanted",
        "engine",
        "log",
        "stream",
        "timeout",
    )

    def __init__(
        self, stream: Stream, engine: Engine, spawn: Spawn, log: structlog.stdlib.BoundLogger, timeout: float
    ) -> None:
        self.stream, self.engine, self.log = stream, engine, log
        self.timeout = timeout  # seconds for the peer's next octets
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._out_size = 0
        self._ahead = 0
        self._running = self._eof = self._lost = self._closing = False
        self._paused = self._wanted = self._draining = False
        self._fresh = True  # not greeted yet
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # -- for subclasses: what happens ---------------------------------------------------

    async def on_connect(self) -> None:
        """Greet."""

    async def on_event(self, event: Any) -> None:
        """Perform one event of the engine."""

    async def on_wake(self) -> None:
        """`wake` was called, once or more often."""

    def on_timeout(self) -> bytes:
        """The last words to a peer that says nothing."""
        return b""

    def on_drain(self) -> bytes:
        """The last words when this process stops."""
        return b""

    def on_failure(self) -> bytes:
        """The last words when performing an event failed in a way nobody foresaw."""
        return b""

    async def on_close(self) -> None:
        """The connection is gone: give back what is held. Called once."""

    def in_transaction(self) -> bool:
        """Whether stopping now would cut the peer in the middle of something."""
        return False

    # -- for subclasses: what to do -----------------------------------------------------

    def send(self, data: bytes) -> None:
        """Queue octets; they go out with the other answers of this batch."""
        self._out.append(data)
        self._out_size += len(data)

    async def flush(self) -> None:
        """Write what is queued and wait for room; ConnectionResetError when the peer is gone."""
        self._write()
        await self.stream.drain()

    async def flush_if_large(self) -> None:
        """`flush` when enough is queued: for answers that are made piece by piece."""
        if self._out_size >= WRITE_PIECE:
            await self.flush()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Say what is queued, then go on inside TLS. Octets buffered in clear must be refused before."""
        assert not self.engine.buffered, "octets in clear behind STARTTLS"
        self.stream.pause_reading()
        await self.flush()  # a transport that is exchanged would not tell when there is room again
        await self.stream.start_tls(context)

    def close(self) -> None:
        """Pull no more events; close once what is queued has gone out."""
        self._closing = True
        if not self._running:
            self._finish()

    def abort(self) -> None:
        """Close at once: half an answer must not look like a whole one."""
        self._out.clear()
        self._closing = True
        self.stream.abort()

    def wake(self) -> None:
        """Have `on_wake` called as soon as no event is being performed."""
        self._wanted = True
        self._start()

    @property
    def closing(self) -> bool:
        return self._closing or self._lost

    # -- from the stream ----------------------------------------------------------------

    def connected(self) -> None:
        self._touch()
        self._start()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._touch()
        self.engine.receive_data(data)
        if self._running or self._fresh:
            self._ahead += len(data)
            if self._ahead > READ_AHEAD and not self._paused:
                self._paused = True
                self.stream.pause_reading()
        if not self._fresh:
            self._start()

    def eof_received(self) -> None:
        self._eof = True
        self._start()

    def connection_lost(self) -> None:
        self._lost = True
        self._start()

    def drain(self) -> None:
        """The process stops: say so between events, and outside a transaction."""
        self._draining = True
        self._start()

    # -- the one task -------------------------------------------------------------------

    def _start(self) -> None:
        if not self._running:
            self._running = True
            self._spawn(self._work())

    async def _work(self) -> None:
        try:
            await self._pull()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            self.abort()
        except Exception:
            self.log.exception("session failed")
            self._out.clear()
            self.send(self.on_failure())
            self._closing = True
        self._running = False
        self._finish()

    async def _pull(self) -> None:
        if self._fresh and not self._lost:
            self._fresh = False
            await self.on_connect()
        while not self._closing and not self._lost:
            if self.stream.blocked:
                await self.flush()  # the peer does not read: nothing more is done for it meanwhile
            elif self._wanted:
                self._wanted = False
                await self.on_wake()
            elif (event := self.engine.next_event()) is not None:
                await self.on_event(event)
                if self._out_size >= WRITE_PIECE:
                    await self.flush()
            elif self._rest():
                break
        self._touch()

    def _rest(self) -> bool:
        """The engine needs more octets: the answers go out. False when the peer has to read them first."""
        self._write()
        if self.stream.blocked:
            return False
        self._ahead = 0
        if self._paused:
            self._paused = False
            self.stream.resume_reading()
        if self._draining and not self.in_transaction():
            self.send(self.on_drain())
            self._closing = True
        elif self._eof:
            self._closing = True
        return True

    def _finish(self) -> None:
        """After a batch: answers go out; a connection that is over is given back."""
        if self._lost:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._out.clear()
            self._spawn(self._closed())
            return
        self._write()
        if self._closing:
            self.stream.close()

    async def _closed(self) -> None:
        if self._running:
            return
        self._running = True  # for ever: nothing starts again
        try:
            await self.on_close()
        except Exception:
            self.log.exception("session did not close cleanly")

    def _write(self) -> None:
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self._out_size = 0
            self.stream.write(data)

    # -- the deadline -------------------------------------------------------------------

    def _touch(self) -> None:
        self._deadline = self._loop.time() + self.timeout
        if (self._timer is None or self._timer.when() > self._deadline) and not self._lost:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._lost:
            return
        if self._running:
            self._timer = self._loop.call_later(self.timeout, self._look)
        elif self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
        elif self._closing:
            self.stream.abort()  # it does not read our last words
        else:
            self.send(self.on_timeout())
            self.close()
            self._timer = self._loop.call_later(10.0, self._look)
