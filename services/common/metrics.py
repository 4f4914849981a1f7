"""The HTTP server of a process for its operator: /metrics, /healthz, /readyz.

It runs in threads of its own, so that it answers while the event loop hangs,
and says so.
"""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from services.common.config import Address
from services.common.health import Health

TEXT = "text/plain; charset=utf-8"
TIMEOUT = 10.0  # seconds for a request


def new_registry(health: Health) -> CollectorRegistry:
    """A registry with what every process counts about itself."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    lag = Gauge("event_loop_lag_seconds", "By how much the event loop is late", registry=registry)
    lag.set_function(lambda: health.lag)
    ready = Gauge("ready", "Whether this process is ready", registry=registry)
    ready.set_function(lambda: float(health.ready))
    return registry


def labelled(counter: Counter) -> Callable[[str], Counter]:
    """The children of a counter with one label: made once each, for they are few and used often."""
    return functools.cache(counter.labels)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: Address, registry: CollectorRegistry, health: Health) -> None:
        super().__init__(address, _Handler)
        self.registry, self.health = registry, health


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = TIMEOUT

    def do_GET(self) -> None:  # the name is http.server's
        if self.path == "/metrics":
            self._say(200, generate_latest(self.server.registry), CONTENT_TYPE_LATEST)
        elif self.path == "/healthz":
            self._verdict(self.server.health.alive)
        elif self.path == "/readyz":
            self._verdict(self.server.health.ready)
        else:
            self._say(404, b"not found\n", TEXT)

    def _verdict(self, good: bool) -> None:
        self._say(200 if good else 503, b"ok\n" if good else b"not now\n", TEXT)

    def _say(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Probes are not worth a line."""


@contextmanager
def serving(address: Address | None, registry: CollectorRegistry, health: Health) -> Iterator[int]:
    """Serve inside the `with`; its value is the port, 0 when there is no address."""
    if address is None:
        yield 0
        return
    server = _Server(address, registry, health)
    thread = threading.Thread(target=server.serve_forever, args=(0.2,), name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
