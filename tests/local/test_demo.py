"""The demo accounts: made once, whatever the store does meanwhile."""

import asyncio
import shlex
from pathlib import Path

import pytest

from buuta.errors import Unavailable
from buuta.v1.delivery_pb2 import ResolveRecipientRequest
from services.local import demo
from services.local.layout import PORTS, Layout, service_token
from tests.support.processes import RedisServer, free_port
from tests.support.store import CLUSTER_KEY, running_store


async def test_a_store_that_is_away_is_waited_for(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    layout = Layout(tmp_path / "var", port - PORTS["store"])
    layout.prepare()
    make, failed = demo.make, asyncio.Event()
    loop = asyncio.get_running_loop()

    def noting(layout: Layout, token: str) -> None:
        try:
            make(layout, token)
        except Unavailable:
            loop.call_soon_threadsafe(failed.set)
            raise

    monkeypatch.setattr(demo, "make", noting)
    making = asyncio.create_task(demo.ensure(layout, service_token(CLUSTER_KEY, "admin")))
    await asyncio.wait_for(failed.wait(), 60)
    async with running_store(
        redis_server.url, tmp_path / "bodies", accounts=(), LISTEN=f"127.0.0.1:{port}"
    ) as store:
        await asyncio.wait_for(making, 60)
        session = await store.admin.login("alice@example.test", b"alice", "192.0.2.1")
        assert session.address == "alice@example.test"
        for address in ("postmaster", "postmaster@example.test"):  # RFC 5321 §4.5.1
            request = ResolveRecipientRequest(address=address)
            assert (await store.admin.delivery.ResolveRecipient(request)).account == session.account
    assert layout.demo_made.exists()


def test_the_commands_to_try_name_any_folder() -> None:
    words = shlex.split(demo.banner(Layout(Path("/data dir/it's #1"), 23000)).partition("To try:")[2])
    assert words[words.index("--cacert") + 1] == "/data dir/it's #1/tls/cert.pem"
    assert "BUUTA_DATA=/data dir/it's #1" in words
