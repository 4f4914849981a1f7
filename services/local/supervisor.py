"""Starts Redis, the store and the front ends, keeps them running, stops them in the opposite order."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from services.local import certificate, demo, redis
from services.local.child import Child, Console, Gone
from services.local.layout import CannotStart, Layout, layout_from, service_token, write_private

FRONT_ENDS = ("smtp", "pop3", "imap")
NAMES = ("redis", "store", *FRONT_ENDS)
INTERRUPTED = 130  # 128 + SIGINT, as shells say it


class Supervisor:
    """One local platform while it runs."""

    def __init__(self, layout: Layout, environ: Mapping[str, str], lock: int) -> None:
        self._layout, self._environ, self._lock = layout, environ, lock
        self._console = Console(NAMES)
        self._key = layout.cluster_key()
        self._token = service_token(self._key, "admin")
        write_private(layout.admin_token, self._token + "\n")
        self._socket = layout.redis_socket()
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        self._redis = self._child("redis", redis.argv(layout.redis, self._socket), environ)
        self._store = self._service("store", self._store_settings())
        self._front_ends = [self._service(name, self._front_end_settings(name)) for name in FRONT_ENDS]

    def _service(self, name: str, settings: Mapping[str, str]) -> Child:
        argv = [sys.executable, "-m", f"services.{name}"]
        own = {"METRICS_LISTEN": self._layout.address(f"{name} metrics"), "HOSTNAME": "localhost"}
        defaults = {"LOG_FORMAT": "console", "DRAIN_SECONDS": "5"}
        return self._child(name, argv, {**defaults, **self._environ, **own, **settings})

    def _child(self, name: str, argv: Sequence[str], environ: Mapping[str, str]) -> Child:
        return Child(name, argv, environ, self._console.say, (self._lock,))

    def _store_settings(self) -> dict[str, str]:
        settings = {
            "LISTEN": self._layout.address("store"),
            "ROLES": "api,collect",
            "REDIS_URL": f"unix://{quote(str(self._socket))}?db=0",
            "CLUSTER_KEY": self._key,
            "DEFAULT_DOMAIN": self._environ.get("DEFAULT_DOMAIN") or demo.DOMAIN,
        }
        # With S3_ENDPOINT in the environment the bodies are there; S3_* pass through.
        settings["BODIES_DIR"] = (
            "" if self._environ.get("S3_ENDPOINT") else str(self._layout.bodies.resolve())
        )
        return settings

    def _front_end_settings(self, name: str) -> dict[str, str]:
        layout = self._layout
        listeners = {"smtp": ("mx", "submission", "submissions"), "pop3": ("pop3", "pop3s")}
        settings = {
            f"LISTEN_{listener.upper()}": layout.address(listener)
            for listener in listeners.get(name, ("imap", "imaps"))
        }
        settings |= {
            "STORE_ENDPOINTS": layout.address("store"),
            "SERVICE_TOKEN": service_token(self._key, "submission" if name == "smtp" else name),
            "TLS_CERT_FILE": str(layout.certificate.resolve()),
            "TLS_KEY_FILE": str(layout.private_key.resolve()),
        }
        if name == "smtp":
            settings["SERVICE_TOKEN_MX"] = service_token(self._key, "mx")
        return settings

    async def run(self) -> None:
        """Until SIGINT or SIGTERM; Gone when a part cannot run."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled)
        keepers: list[asyncio.Task[None]] = []
        stop = asyncio.create_task(self._stop.wait())
        starting = asyncio.create_task(self._start(keepers))
        try:
            await _first(stop, starting)
            if not self._stop.is_set():
                await _first(stop, *keepers)
        finally:
            starting.cancel()
            stop.cancel()
            await self._end()
            await asyncio.gather(starting, *keepers, return_exceptions=True)
            self._layout.leave_redis_socket()

    def _signalled(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        else:
            self._console.print("\nStopping. Ctrl-C again stops at once.")
        self._stop.set()

    async def _start(self, keepers: list[asyncio.Task[None]]) -> None:
        """All parts in order; returns when mail can be sent and read."""

        async def ready(what: asyncio.Task[None]) -> None:
            await _first(what, *keepers)

        keepers.append(asyncio.create_task(self._redis.run()))
        await ready(asyncio.create_task(redis.answers(self._socket)))
        keepers.extend(asyncio.create_task(child.run()) for child in (self._store, *self._front_ends))
        for name in ("store", *FRONT_ENDS):
            await ready(asyncio.create_task(_is_ready(self._layout.port(f"{name} metrics"))))
        await ready(asyncio.create_task(demo.ensure(self._layout, self._token)))
        self._console.print(demo.banner(self._layout))

    async def _end(self) -> None:
        """Front ends first, so that nothing is asked of a store that is gone; Redis last."""
        await asyncio.gather(*(child.stop(self._hurry) for child in self._front_ends))
        await self._store.stop(self._hurry)
        await self._redis.stop(asyncio.Event())  # never in a hurry: it writes what it was told


async def _first(*tasks: asyncio.Task[object] | asyncio.Task[None] | asyncio.Task[bool]) -> None:
    """Wait until one of the tasks is done, and raise what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _is_ready(port: int) -> None:
    """Return when the process whose metrics listen there says that it is ready."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        try:
            writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
            if b" 200 " in await reader.readline():
                return
        except OSError:
            pass
        finally:
            writer.close()
        await asyncio.sleep(0.1)


def _complain(text: str) -> None:
    print(f"buuta: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Run the platform; the exit code."""
    try:
        layout = layout_from(dict(os.environ))
        layout.prepare()
        lock = layout.lock(_complain)
        layout.check_ports()
        certificate.ensure(layout.certificate, layout.private_key)
        asyncio.run(Supervisor(layout, dict(os.environ), lock).run())
    except (CannotStart, Gone, OSError) as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:  # before there was anything to stop
        return INTERRUPTED
    return 0
