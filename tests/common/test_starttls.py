"""STARTTLS whose handshake comes at once: octets behind our reply are TLS, whenever they are read."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme
import uvloop

from services.common.listener import Endpoint, Limits, Server
from services.common.session import Spawn
from services.common.stream import Stream
from tests.common.echo_service import Echo


class Upgrading(Echo):
    """Says +OK to its first line, and starts TLS when the handshake's first octets have arrived."""

    def __init__(self, stream: Stream, spawn: Spawn, context: ssl.SSLContext, sent: asyncio.Event) -> None:
        super().__init__(stream, spawn)
        self._context, self._sent = context, sent

    async def on_event(self, event: Any) -> None:
        if self.stream.secure:
            await super().on_event(event)
            return
        self.stream.pause_reading()
        self.send(b"+OK\r\n")
        await self.flush()
        await self._sent.wait()
        await self.start_tls(self._context)


def talk(port: int, authority: trustme.CA, sent: Callable[[], object]) -> bytes:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with connection.makefile("rb") as lines:
            assert lines.readline() == b"+OK echo\r\n"
            connection.sendall(b"STLS\r\n")
            assert lines.readline() == b"+OK\r\n"
        while tls.version() is None:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                sent()
                incoming.write(connection.recv(65536))
        tls.write(b"hello\r\n")
        connection.sendall(outgoing.read())
        while True:
            try:
                return tls.read(1000)
            except ssl.SSLWantReadError:
                incoming.write(connection.recv(65536))


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_a_handshake_that_waits_in_the_socket(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    async def exercise() -> bytes:
        sent, loop = asyncio.Event(), asyncio.get_running_loop()

        def session(stream: Stream, spawn: Spawn) -> Upgrading:
            return Upgrading(stream, spawn, context, sent)

        async with Server([Endpoint("pop3", "127.0.0.1", 0)], session, Limits()) as server:
            port = server.ports["pop3"]
            return await asyncio.to_thread(talk, port, authority, lambda: loop.call_soon_threadsafe(sent.set))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(exercise()) == b"hello\r\n"
