"""A Redis that speaks TLS: the same commands, on both event loops."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from services.common.errors import Unavailable
from tests.store.index.nodes import ask, opened, write
from tests.support.processes import RedisServer, free_port, missing, redis_binary

LARGE = b"x" * 1_000_000  # many TLS records
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Where a server takes TLS."""
    binary = redis_binary()
    if b"tls-port" not in Path(binary).read_bytes():
        missing("a redis-server that was built with TLS")
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(str(files["ca"]))
    own.cert_chain_pems[0].write_to_path(str(files["cert"]))
    own.private_key_pem.write_to_path(str(files["key"]))
    port = free_port()
    server = RedisServer(
        tmp_path / "redis",
        binary,
        *("--tls-port", str(port), "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(files["cert"]), "--tls-key-file", str(files["key"])),
        *("--tls-ca-cert-file", str(files["ca"])),
    )
    server.start()
    try:
        yield f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={files['ca']}"
    finally:
        server.stop()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_commands(url: str, run: Run) -> None:
    async def commands() -> None:
        async with opened(url, timeout=5.0) as node:
            assert await write(node, "SET", "key", LARGE) == b"OK"
            replies = await asyncio.gather(*(node.call(("GET", "key"), False) for _ in range(20)))
            assert replies == [LARGE] * 20

    run(commands())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_connection_that_ends_is_made_anew(url: str, run: Run) -> None:
    async def commands() -> None:
        async with opened(url, timeout=5.0) as node:
            name = await ask(node, "CLIENT", "ID")
            reply = await write(node, "CLIENT", "KILL", "ID", name, "SKIPME", "no")
            assert reply == 1 or isinstance(reply, Unavailable)
            await asyncio.sleep(0.2)
            assert await ask(node, "CLIENT", "ID") != name

    run(commands())
