"""A peer that does not read its answers: what waits for it has a bound, and it is cut in the end."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from services.common import stream
from services.common.listener import Endpoint, Limits, Server
from services.common.session import READ_AHEAD, Spawn
from services.common.stream import Stream
from tests.common.echo_service import Echo

HIGH_WATER = 32 * 1024
LINE = b"x" * 62 + b"\r\n"
BATCH = LINE * 64  # 4 KiB: far less than makes a session wait for room by itself
# More than the buffers of both kernels hold.
ENOUGH = 64 * 1024 * 1024
PATIENCE = 10.0  # seconds; every condition is polled for


class Counting(Echo):
    """Counts what it has performed."""

    lines = wakes = 0

    async def on_event(self, event: Any) -> None:
        self.lines += 1
        await super().on_event(event)

    async def on_wake(self) -> None:
        self.wakes += 1
        self.send(BATCH)

    @property
    def buffered(self) -> int:
        """Octets of answers that wait in this process."""
        transport = self.stream._transport
        return sum(map(len, self._out)) + (transport.get_write_buffer_size() if transport else 0)


@dataclass
class Unread:
    """A connection whose client sends, and never reads."""

    server: Server
    session: Counting
    peer: socket.socket
    sent: int = 0

    async def send(self) -> None:
        await asyncio.get_running_loop().sock_sendall(self.peer, BATCH)
        self.sent += len(BATCH)

    async def send_until_blocked(self) -> None:
        """Batch by batch, each when the one before has been answered."""
        while not self.session.stream.blocked:
            assert self.sent < ENOUGH
            await self.send()
            await until(lambda: self.session.stream.blocked or self.session.lines * len(LINE) == self.sent)
            assert self.session.buffered <= HIGH_WATER + len(BATCH)

    async def send_until_not_read(self) -> None:
        """As much as is taken, until the session stops reading."""
        transport = self.session.stream._transport
        assert transport is not None
        async with asyncio.timeout(PATIENCE):
            while transport.is_reading():
                with contextlib.suppress(BlockingIOError):
                    self.sent += self.peer.send(BATCH[self.sent % len(BATCH) :])
                await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - the state of a transport is no event
            await asyncio.sleep(0)


@pytest_asyncio.fixture
async def unread(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Unread]:
    monkeypatch.setattr(stream, "HIGH_WATER", HIGH_WATER)
    sessions = list[Counting]()

    def session(stream: Stream, spawn: Spawn) -> Counting:
        sessions.append(Counting(stream, spawn))
        return sessions[-1]

    async with Server([Endpoint("echo", "127.0.0.1", 0)], session, Limits()) as server:
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.setblocking(False)
            await asyncio.get_running_loop().sock_connect(peer, ("127.0.0.1", server.ports["echo"]))
            await until(lambda: bool(sessions))
            yield Unread(server, sessions[0], peer)


async def test_nothing_more_is_performed_or_read(unread: Unread) -> None:
    await unread.send_until_blocked()
    performed = unread.session.lines
    await unread.send_until_not_read()
    assert unread.session._ahead > READ_AHEAD
    assert unread.session.lines == performed
    assert unread.session.buffered <= HIGH_WATER + len(BATCH)


async def test_all_is_answered_when_it_reads_at_last(unread: Unread) -> None:
    await unread.send_until_blocked()
    await unread.send_until_not_read()
    unread.peer.shutdown(socket.SHUT_WR)
    said = 0
    async with asyncio.timeout(PATIENCE):
        while octets := await asyncio.get_running_loop().sock_recv(unread.peer, 1 << 20):
            said += len(octets)
    assert said == len(b"+OK echo\r\n") + unread.sent - unread.sent % len(LINE)


async def test_it_is_not_woken(unread: Unread) -> None:
    """As in IDLE: what others change makes answers too."""
    while not unread.session.stream.blocked:
        assert unread.session.wakes * len(BATCH) < ENOUGH
        unread.session.wake()
        await until(lambda: unread.session.stream.blocked or not unread.session._running)
    woken = unread.session.wakes
    for _ in range(100):
        unread.session.wake()
        await asyncio.sleep(0)
    assert unread.session.wakes == woken
    assert unread.session.buffered <= HIGH_WATER + len(BATCH)


async def test_it_is_cut(unread: Unread, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although it sends nothing more, and its session waits for nothing but room."""
    monkeypatch.setattr(stream, "WRITE_TIMEOUT", 0.2)
    await unread.send_until_blocked()
    await until(lambda: unread.server.connections == 0)


async def test_it_is_cut_behind_its_last_words(unread: Unread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "WRITE_TIMEOUT", 0.2)
    await unread.send_until_blocked()
    unread.session.close()
    await until(lambda: unread.server.connections == 0)
