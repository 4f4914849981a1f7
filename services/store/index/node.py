"""One Redis server: commands of many callers on few persistent connections, every failure Unavailable.

Without replicas to wait for there is one connection. WAIT blocks its own
connection until replicas acknowledge, so writes that it follows have some of
their own, and what only reads is not behind it. Nothing is repeated here: a
command whose reply is lost may have run.
"""

import asyncio
from typing import Any

from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.connection import Connection as TcpConnection

from services.common.errors import Unavailable
from services.store.index.link import Command, Link, Reply

# Batches of writes that wait for replicas, each on a connection of its own; later writes share the next one.
BATCHES = 8
MAX_BATCH = 256
# Of the time that a reply may take, replicas have this part.
WAIT_SHARE = 0.8


class Node:
    """Connects when it is first used, and anew after each failure.

    `timeout`: seconds that a reply may take, that to a handshake included.
    """

    def __init__(self, url: str, timeout: float, wait_replicas: int) -> None:
        parse_url(url)  # a malformed one is found here
        self._url = url
        self._timeout, self._wait_replicas = timeout, wait_replicas
        self._link: Link | None = None
        self._queue: list[tuple[Command, asyncio.Future[Reply]]] = []  # writes that wait for a batch
        self._batches: set[asyncio.Task[None]] = set()
        self._idle: list[Link] = []  # connections for batches, without one
        self._links: set[Link] = set()
        self._closed = False

    async def call(self, command: Command, writes: bool) -> Reply:
        """The reply of one command: a value, an exception object for an error reply, or an Unavailable."""
        return await self.put(command, writes)

    def put(self, command: Command, writes: bool) -> "asyncio.Future[Reply]":
        """The same as a future, for callers with several commands."""
        if self._closed:
            return _failed("closed")
        if writes and self._wait_replicas:
            return self._put_write(command)
        if self._link is None or self._link.broken:
            self._link = self._connected()
        return self._link.put(command)

    def _put_write(self, command: Command) -> "asyncio.Future[Reply]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        self._queue.append((command, future))
        if len(self._batches) < BATCHES:
            # Owned by this node and awaited at close; it ends with the queue.
            task = loop.create_task(self._send_batches())
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)
        return future

    async def _send_batches(self) -> None:
        while self._queue:
            batch, self._queue = self._queue[:MAX_BATCH], self._queue[MAX_BATCH:]
            self._idle = [link for link in self._idle if not link.broken]
            link = self._idle.pop() if self._idle else self._connected()
            replies = [link.put(command) for command, _ in batch]
            # WAIT is answered last: then the others are, too.
            acknowledged = await link.put(
                ("WAIT", self._wait_replicas, int(self._timeout * 1000 * WAIT_SHARE))
            )
            enough = isinstance(acknowledged, int) and acknowledged >= self._wait_replicas
            for (_, future), sent in zip(batch, replies, strict=True):
                reply = sent.result()
                if not enough and not isinstance(reply, Exception):
                    reply = Unavailable("Too few replicas acknowledged the write")
                if not future.done():  # done: its caller gave up
                    future.set_result(reply)
            self._idle.append(link)

    async def info(self, section: str) -> dict[str, str]:
        """A section of what the server says of itself, by name; Unavailable when it does not."""
        reply = await self.call(("INFO", section), False)
        if isinstance(reply, Exception):
            raise Unavailable() from reply
        return parse_info(reply)

    def _connected(self) -> Link:
        """A new connection."""
        self._links = {link for link in self._links if not link.ended}
        # RESP3: hashes come as dictionaries.
        link = Link(connection_to(self._url, protocol=3, socket_connect_timeout=self._timeout), self._timeout)
        self._links.add(link)
        return link

    async def close(self) -> None:
        """What is at work is waited for, no longer than a reply may take."""
        self._closed = True
        for task in list(self._batches):
            await task
        for link in self._links:
            await link.close()


def parse_info(reply: bytes) -> dict[str, str]:
    """The lines of INFO, by name."""
    lines = (line.partition(":") for line in reply.decode().splitlines())
    return {name: value for name, _, value in lines}


def connection_to(url: str, **options: Any) -> AbstractConnection:
    """A connection of redis-py's that is not made yet; no read of it has a timeout."""
    given: dict[str, Any] = {**parse_url(url), **options, "socket_timeout": None}
    kind: type[AbstractConnection] = given.pop("connection_class", TcpConnection)
    return kind(**given)


def _failed(why: str) -> "asyncio.Future[Reply]":
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    future.set_result(Unavailable(why))
    return future
