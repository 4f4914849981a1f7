"""Implicit TLS whose first octets come early: before the server looks, or right behind a PROXY header."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme

from services.common.listener import Endpoint, Limits, Server
from tests.common.echo_service import Echo

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@contextlib.asynccontextmanager
async def running(authority: trustme.CA, limits: Limits) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    async with Server([Endpoint("pop3s", "127.0.0.1", 0, context)], Echo, limits) as server:
        yield server.ports["pop3s"]


def talk(port: int, authority: trustme.CA, before: bytes) -> bytes:
    """Greeting and echo, with `before` in one segment with the first octets of TLS."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        pending = before
        asked = False
        while b"hello\r\n" not in said:
            try:
                if tls.version() is None:
                    tls.do_handshake()
                elif not asked:
                    tls.write(b"hello\r\n")
                    asked = True
                else:
                    said += tls.read(1000)
            except ssl.SSLWantReadError:
                connection.sendall(pending + outgoing.read())
                pending = b""
                incoming.write(connection.recv(65536))
    return said


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_early_octets(loop: str) -> None:
    authority = trustme.CA()

    async def exercise() -> None:
        async with running(authority, Limits()) as port:
            answers = await asyncio.gather(
                *(asyncio.to_thread(talk, port, authority, b"") for _ in range(20))
            )
        assert set(answers) == {b"+OK echo\r\nhello\r\n"}
        trusted = Limits(trusted_proxies=(LOOPBACK,))
        header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 995\r\n"
        async with running(authority, trusted) as port:
            assert await asyncio.to_thread(talk, port, authority, header) == b"+OK echo\r\nhello\r\n"

    if loop == "uvloop":
        import uvloop

        uvloop.run(exercise())
    else:
        asyncio.run(exercise())
