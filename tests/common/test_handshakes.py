"""TLS handshakes that come to nothing: whatever the peer does, the connection ends and is given back."""

import asyncio
import ssl
import struct
import time
from collections.abc import Coroutine
from socket import SO_LINGER, SOL_SOCKET, create_connection
from typing import Any

import pytest
import trustme

from services.common import stream
from services.common.listener import Endpoint, Limits, Server
from tests.common.echo_service import Echo

PATIENCE = 30.0
# The first octets of a ClientHello, octets that are none, and nothing.
FIRST_OCTETS = [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01", b"NOOP\r\n", b"\0" * 5000]


def run(loop: str, work: Coroutine[Any, Any, None]) -> None:
    if loop == "uvloop":
        import uvloop

        uvloop.run(work)
    else:
        asyncio.run(work)


async def until_nobody_is_left(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while server.connections:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    return context


@pytest.mark.parametrize("octets", FIRST_OCTETS, ids=lambda octets: repr(octets[:8]))
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_peer_that_stalls(loop: str, octets: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HANDSHAKE_TIMEOUT", 0.3)

    async def exercise() -> None:
        endpoint = Endpoint("pop3s", "127.0.0.1", 0, server_context())
        async with Server([endpoint], Echo, Limits()) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["pop3s"])
            writer.write(octets)
            said = await asyncio.wait_for(reader.read(), PATIENCE)
            assert b"+OK" not in said
            await until_nobody_is_left(server)
            writer.close()

    run(loop, exercise())


@pytest.mark.parametrize("octets", FIRST_OCTETS, ids=lambda octets: repr(octets[:8]))
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_peer_that_is_gone_at_once(loop: str, octets: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """By RST, as port scanners and some health checks end."""
    monkeypatch.setattr(stream, "HANDSHAKE_TIMEOUT", 0.3)

    async def exercise() -> None:
        endpoint = Endpoint("pop3s", "127.0.0.1", 0, server_context())
        async with Server([endpoint], Echo, Limits()) as server:
            for pause in (0, 0.02):
                peer = create_connection(("127.0.0.1", server.ports["pop3s"]))
                peer.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                peer.sendall(octets)
                await asyncio.sleep(pause)
                peer.close()
            await until_nobody_is_left(server)

    run(loop, exercise())
