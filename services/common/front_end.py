"""What the front ends' processes have in common: a store client, a certificate, listeners, the drain.

A front end's `__main__` opens a FrontEnd for its listeners, makes its session factory
from what is in it, and calls `serve`. All settings are checked before anything starts.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge

from services.common import tls
from services.common.config import Address, FrontEndSettings, SettingError
from services.common.listener import Endpoint, Factory, Limits, Server
from services.common.run import Process
from services.common.store_client import StoreClient

log = structlog.stdlib.get_logger()


@dataclass(frozen=True, slots=True)
class Listener:
    """A setting that says where to listen, and with what."""

    name: str  # such as "imaps": sessions see it as stream.listener
    address: Address | None  # None: off
    implicit_tls: bool = False  # TLS from the first octet (RFC 8314)


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """The parts that a front end's sessions share."""

    settings: FrontEndSettings
    process: Process
    endpoints: Sequence[Endpoint]
    client: StoreClient
    tls: ssl.SSLContext | None  # for STARTTLS and implicit TLS

    async def serve(self, factory: Factory) -> None:
        """Accept connections until the process stops, then let the sessions finish."""
        settings, process = self.settings, self.process
        limits = Limits(settings.max_connections, settings.max_connections_per_ip, settings.trusted_proxies)
        async with Server(self.endpoints, factory, limits) as server:
            count = Gauge("connections", "Open connections", registry=process.registry)
            count.set_function(lambda: server.connections)
            process.readiness(lambda: self.client.reachable)
            for name, port in server.ports.items():
                log.info("listening", listener=name, port=port)
            await process.stopping.wait()
            await server.drain(settings.drain_seconds)


@asynccontextmanager
async def front_end(
    settings: FrontEndSettings, process: Process, listeners: Sequence[Listener]
) -> AsyncIterator[FrontEnd]:
    """The parts, ready for use; the store need not be there yet."""
    certificate = tls.configured(settings)
    context = certificate.context if certificate is not None else None
    endpoints = _endpoints(listeners, context)
    client = StoreClient(settings.store_endpoints, settings.service_token, settings.store_timeout)
    await client.start()
    fresh = asyncio.create_task(certificate.keep_fresh()) if certificate is not None else None
    try:
        yield FrontEnd(settings, process, endpoints, client, context)
    finally:
        if fresh is not None:
            fresh.cancel()
        await client.close()


def _endpoints(listeners: Sequence[Listener], context: ssl.SSLContext | None) -> list[Endpoint]:
    """Where to listen; SettingError for nowhere, or for TLS without a certificate."""
    endpoints = []
    for listener in listeners:
        if listener.address is None:
            continue
        if listener.implicit_tls and context is None:
            raise SettingError(f"TLS_CERT_FILE is not set: LISTEN_{listener.name.upper()} needs it")
        implicit = context if listener.implicit_tls else None
        endpoints.append(Endpoint(listener.name, *listener.address, implicit))
    if not endpoints:
        names = ", ".join(f"LISTEN_{listener.name.upper()}" for listener in listeners)
        raise SettingError(f"Nothing to listen on: set one of {names}")
    return endpoints
