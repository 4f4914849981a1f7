"""A server that drains: everybody is told in time, and not all at once."""

import asyncio
import time

import pytest

from services.common import listener
from services.common.listener import Endpoint, Limits, Server
from tests.common.echo_service import Echo

CLIENTS = 60


async def ends(server: Server, seconds: float) -> list[float]:
    """When each of CLIENTS connections ended, from the beginning of the drain."""

    async def end(reader: asyncio.StreamReader) -> float:
        while await reader.readline():
            pass
        return time.monotonic()

    port = server.ports["echo"]
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CLIENTS)]
    for reader, _ in connections:
        await reader.readline()
    began = time.monotonic()
    ended, _ = await asyncio.gather(
        asyncio.gather(*(end(reader) for reader, _ in connections)), server.drain(seconds)
    )
    for _, writer in connections:
        writer.close()
    return [moment - began for moment in ended]


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint("echo", "127.0.0.1", 0)


async def test_resting_sessions_end_one_after_the_other(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "ENDED_A_SECOND", 30)
    async with Server([endpoint], Echo, Limits()) as server:
        ended = await ends(server, 60.0)
    assert max(ended) - min(ended) > 1.0  # chance of all 60 within half of the 2 s: 1 in 10^16


async def test_all_are_told_before_they_are_cut(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "ENDED_A_SECOND", 0.1)
    monkeypatch.setattr(Echo, "abort", lambda self: pytest.fail("a session was cut"))
    async with Server([endpoint], Echo, Limits()) as server:
        await ends(server, 10.0)
