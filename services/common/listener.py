"""Accepts connections for a service's sessions: caps, registry, drain.

A service names its listeners and one factory; all sessions and their tasks
belong to one Server, which ends only when they have.
"""

import asyncio
import functools
import ipaddress
import random
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from services.common.session import Session, Spawn
from services.common.stream import Network, Receiver, Stream

BACKLOG = 1024
ENDED_A_SECOND = 200  # sessions, while draining: their clients come back elsewhere at no higher rate
log = structlog.stdlib.get_logger()

Factory = Callable[[Stream, Spawn], Session]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one listener listens."""

    name: str  # such as "imaps": sessions see it as stream.listener
    host: str
    port: int
    tls: ssl.SSLContext | None = None  # TLS from the first octet


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps that protect a process from its peers."""

    connections: int = 20_000
    connections_per_ip: int = 1_000
    trusted_proxies: tuple[Network, ...] = ()


class Server:
    """The listeners of one process and all their sessions."""

    def __init__(self, endpoints: Sequence[Endpoint], factory: Factory, limits: Limits) -> None:
        self._endpoints, self._factory, self._limits = endpoints, factory, limits
        self._servers: list[asyncio.Server] = []
        self._sessions: dict[Stream, Session] = {}
        self._by_ip: Counter[str] = Counter()
        self._tasks = asyncio.TaskGroup()
        self._idle = asyncio.Event()
        self._idle.set()

    async def __aenter__(self) -> "Server":
        await self._tasks.__aenter__()
        loop = asyncio.get_running_loop()
        for endpoint in self._endpoints:
            server = await loop.create_server(
                functools.partial(Stream, self, endpoint.name, endpoint.tls),
                endpoint.host,
                endpoint.port,
                backlog=BACKLOG,
                reuse_port=hasattr(socket, "SO_REUSEPORT") and endpoint.port != 0,
            )
            self._servers.append(server)
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self.drain(0)
        await self._tasks.__aexit__(None, None, None)

    @property
    def ports(self) -> dict[str, int]:
        """The port of each listener, by its name (for port 0 in tests)."""
        pairs = zip(self._endpoints, self._servers, strict=True)
        return {endpoint.name: server.sockets[0].getsockname()[1] for endpoint, server in pairs}

    @property
    def connections(self) -> int:
        return len(self._sessions)

    async def drain(self, seconds: float) -> None:
        """Accept no more; let every session finish what it is at; after `seconds` cut what is left.

        Many sessions are told one after the other, for half of the time at most.
        """
        for server in self._servers:
            server.close()
        loop = asyncio.get_running_loop()
        spread = min(len(self._sessions) / ENDED_A_SECOND, seconds / 2)
        for stream in self._sessions:
            loop.call_later(random.uniform(0, spread), self._drain, stream)
        try:
            await asyncio.wait_for(self._idle.wait(), max(seconds, 0.2))
        except TimeoutError:
            for session in list(self._sessions.values()):
                session.abort()
            await self._idle.wait()

    def _drain(self, stream: Stream) -> None:
        if session := self._sessions.get(stream):
            session.drain()

    # -- for streams --------------------------------------------------------------------

    def trusts(self, peer: str) -> bool:
        """Whether this peer is a proxy that must say who its client is."""
        if not self._limits.trusted_proxies or not peer:
            return False
        address = ipaddress.ip_address(peer)
        return any(address in network for network in self._limits.trusted_proxies)

    def attach(self, stream: Stream) -> Receiver | None:
        if len(self._sessions) >= self._limits.connections:
            log.warning("too many connections")
            return None
        if self._by_ip[stream.peer] >= self._limits.connections_per_ip:
            log.warning("too many connections of one client", peer=stream.peer)
            return None
        session = self._factory(stream, self.spawn)
        self._sessions[stream] = session
        self._by_ip[stream.peer] += 1
        self._idle.clear()
        return session

    def detach(self, stream: Stream) -> None:
        if self._sessions.pop(stream, None) is not None:
            self._by_ip[stream.peer] -= 1
            if not self._by_ip[stream.peer]:
                del self._by_ip[stream.peer]
            if not self._sessions:
                self._idle.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._tasks.create_task(work)
