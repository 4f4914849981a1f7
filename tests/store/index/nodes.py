"""What tests of one Redis server need: a node, what it answers, and a server that follows another one."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from services.store.index.node import Node
from tests.support.processes import RedisServer, redis_binary

TIMEOUT = 0.5


@contextlib.asynccontextmanager
async def opened(url: str, timeout: float = TIMEOUT, wait_replicas: int = 0) -> AsyncIterator[Node]:
    node = Node(url, timeout, wait_replicas)
    try:
        yield node
    finally:
        await node.close()


async def ask(node: Node, *command: bytes | str | int) -> Any:
    """The reply of one command that reads."""
    return await asyncio.wait_for(node.call(command, False), 10)


async def write(node: Node, *command: bytes | str | int) -> Any:
    """The reply of one command that writes."""
    return await asyncio.wait_for(node.call(command, True), 10)


def clients(server: RedisServer) -> int:
    """Connections of clients, but for the one that asks."""
    return server.ask("CLIENT", "LIST", "TYPE", "normal").count(b" addr=") - 1


def acknowledged(server: RedisServer) -> bool:
    """Whether a replica acknowledges a write."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"SET ready 1\r\nWAIT 1 200\r\n")
        return b"".join(iter(lambda: connection.recv(1), b":")) == b"+OK\r\n" and connection.recv(1) == b"1"


@contextlib.contextmanager
def replica(server: RedisServer, folder: Path) -> Iterator[RedisServer]:
    """A second server that follows the first one."""
    follow = ("--replicaof", "127.0.0.1", str(server.port), "--appendonly", "no")
    other = RedisServer(folder / "replica", redis_binary(), *follow)
    other.start()
    try:
        deadline = time.monotonic() + 20
        while not acknowledged(server):
            assert time.monotonic() < deadline, "the replica did not come"
            time.sleep(0.05)
        yield other
    finally:
        other.stop()
