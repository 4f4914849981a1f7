"""The store's replicas: names resolved to all their addresses, one channel each, in order of preference.

Any replica is correct. One is preferred per account (rendezvous hash: when a
replica comes or goes, only its own accounts move), so that caches there are
warm. A replica that just failed goes to the end of the order for a while.
"""

import asyncio
import hashlib
import ipaddress
import random
import socket
import time
from collections.abc import Sequence
from typing import Any

import grpc.aio
import structlog

from services.common.config import Address
from services.common.grpc_options import CLIENT_OPTIONS
from services.common.pipe import Pipe

RESOLVE_INTERVAL = 10.0
RESOLVE_AT_ONCE = 1.0  # while there is no replica, or one failed
CLOSE_GRACE = 30.0  # for calls on a replica that is no longer listed
log = structlog.stdlib.get_logger()


class Replica:
    """One store process."""

    __slots__ = ("callables", "channel", "name", "pipe", "shunned_until")

    def __init__(self, name: str) -> None:
        self.name = name
        self.channel = grpc.aio.insecure_channel(name, options=CLIENT_OPTIONS)
        self.callables: dict[str, Any] = {}  # by method path, made at first use
        self.pipe: Pipe | None = None  # made at first use
        self.shunned_until = 0.0

    def shun(self, seconds: float) -> None:
        """Prefer others for a while."""
        self.shunned_until = time.monotonic() + seconds

    async def close(self, grace: float | None) -> None:
        """Calls under way have so many seconds to end."""
        await self.channel.close(grace)
        if self.pipe is not None:
            await self.pipe.close()


class Replicas:
    """All of them, kept up to date by a task."""

    def __init__(self, endpoints: Sequence[Address]) -> None:
        self._endpoints = endpoints
        self._fixed = all(_is_ip(endpoint.host) for endpoint in endpoints)
        self._replicas: dict[str, Replica] = {}
        self._resolver: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._wanted = asyncio.Event()

    async def start(self) -> None:
        await self._resolve()
        if not self._fixed:
            self._resolver = asyncio.create_task(self._keep_resolved())

    async def close(self) -> None:
        if self._resolver is not None:
            self._resolver.cancel()
            await asyncio.gather(self._resolver, return_exceptions=True)
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await asyncio.gather(*(replica.close(None) for replica in self._replicas.values()))
        self._replicas.clear()

    def all(self) -> list[Replica]:
        return list(self._replicas.values())

    def order(self, account: str) -> list[Replica]:
        """By preference for an account; by chance without one. Empty while no name resolves."""
        found = list(self._replicas.values())
        if len(found) > 1:
            if account:
                key = account.encode()
                found.sort(key=lambda replica: _weight(key, replica.name), reverse=True)
            else:
                random.shuffle(found)
            now = time.monotonic()
            # Of several that failed, the one that did so longest ago comes first.
            found.sort(key=lambda replica: max(replica.shunned_until - now, 0.0))
        return found

    def look_again(self) -> None:
        """Something failed: names may stand for other addresses by now."""
        self._wanted.set()

    async def _keep_resolved(self) -> None:
        while True:
            try:
                async with asyncio.timeout(RESOLVE_INTERVAL if self._replicas else RESOLVE_AT_ONCE):
                    await self._wanted.wait()
                await asyncio.sleep(RESOLVE_AT_ONCE)
            except TimeoutError:
                pass
            self._wanted.clear()
            await self._resolve()

    async def _resolve(self) -> None:
        names: set[str] = set()
        kept: set[str] = set()
        for endpoint in self._endpoints:
            try:
                names.update(await _addresses(endpoint))
            except OSError as error:
                log.warning("store name does not resolve", name=endpoint.host, error=str(error))
                kept.update(self._replicas)  # what is known stays: it may well be alive
        for name in names - self._replicas.keys():
            self._replicas[name] = Replica(name)
        for name in self._replicas.keys() - names - kept:
            task = asyncio.create_task(self._replicas.pop(name).close(CLOSE_GRACE))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _addresses(endpoint: Address) -> list[str]:
    if _is_ip(endpoint.host):
        return [str(endpoint)]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    return [str(Address(str(info[4][0]), endpoint.port)) for info in found]


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _weight(key: bytes, name: str) -> bytes:
    return hashlib.blake2b(key, digest_size=8, key=name.encode()[:64]).digest()
