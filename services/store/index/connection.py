"""Redis, alone or Cluster: commands of many callers in few round trips, every failure one of two kinds.

Callers that come in the same moment share one pipeline; WAIT follows it when
replicas must acknowledge. The client never repeats a command by itself (a
timed-out script may have run): only NOSCRIPT and MOVED are, which prove that
nothing was done. ScriptError: a script refused. Unavailable: anything else.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import NoScriptError, RedisError, ResponseError

from services.common.errors import Unavailable
from services.store.index.errors import WORDS, ScriptError
from services.store.index.scripts import READERS, load

Command = Sequence[bytes | str | int]

# Pipelines in flight to one server; callers beyond them wait and share the next one.
PIPELINES = 8
MAX_BATCH = 256


class Node:
    """One Redis server."""

    def __init__(self, url: str, timeout: float, wait_replicas: int) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=PIPELINES + 2,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            decode_responses=False,
        )
        self.redis = Redis(connection_pool=pool)
        self._timeout, self._wait_replicas = timeout, wait_replicas
        self._queue: list[tuple[Command, bool, asyncio.Future[Any]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(self, command: Command, writes: bool) -> Any:
        """The reply of one command, an exception object for an error reply."""
        future = asyncio.get_running_loop().create_future()
        self._queue.append((command, writes, future))
        if len(self._tasks) < PIPELINES:
            # Owned by this node and awaited at close; it ends with the queue.
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _work(self) -> None:
        while self._queue:
            batch, self._queue = self._queue[:MAX_BATCH], self._queue[MAX_BATCH:]
            try:
                replies = await self._send(batch)
            except (RedisError, OSError, TimeoutError, asyncio.CancelledError) as error:
                failure = Unavailable()
                failure.__cause__ = error
                replies = [failure] * len(batch)
            for (_, _, future), reply in zip(batch, replies, strict=False):
                if not future.done():
                    future.set_result(reply)

    async def _send(self, batch: list[tuple[Command, bool, asyncio.Future[Any]]]) -> list[Any]:
        wait = self._wait_replicas > 0 and any(writes for _, writes, _ in batch)
        if len(batch) == 1 and not wait:
            run: Any = self.redis.execute_command
            try:
                return [await run(*batch[0][0])]
            except ResponseError as error:
                return [error]
        pipeline = self.redis.pipeline(transaction=False)
        for command, _, _ in batch:
            pipeline.execute_command(*command)
        if wait:
            pipeline.execute_command("WAIT", self._wait_replicas, int(self._timeout * 800))
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        if wait:
            acknowledged = replies.pop()
            if not isinstance(acknowledged, int) or acknowledged < self._wait_replicas:
                short = Unavailable("Too few replicas acknowledged the write")
                replies = [
                    short if item[1] and not isinstance(reply, Exception) else reply
                    for item, reply in zip(batch, replies, strict=True)
                ]
        return replies

    async def close(self) -> None:
        for task in list(self._tasks):
            await task
        await self.redis.aclose(close_connection_pool=True)


class Connection:
    """All Redis servers of the platform as one."""

    def __init__(self, url: str, timeout: float = 2.0, wait_replicas: int = 0) -> None:
        self._url, self._timeout, self._wait = url, timeout, wait_replicas
        self._home = Node(url, timeout, wait_replicas)
        self._nodes: dict[str, Node] = {}  # of a cluster, by URL
        self._slots: list[Node] = []
        self._refreshing = asyncio.Lock()
        self.scripts = load()

    async def start(self) -> None:
        """Learn the topology; Unavailable while Redis cannot be reached."""
        info = await self._checked(await self._home.call(("INFO", "cluster"), False))
        if int(info.get("cluster_enabled", 0)):
            await self._refresh()

    async def close(self) -> None:
        for node in (self._home, *self._nodes.values()):
            await node.close()

    @property
    def servers(self) -> list[Node]:
        """All servers that take writes."""
        return list(dict.fromkeys(self._slots)) if self._slots else [self._home]

    async def script(self, name: str, keys: Sequence[bytes], args: Sequence[bytes | str | int]) -> Any:
        """Run `lua/<name>.lua`; the keys share one slot. ScriptError when it refuses."""
        script = self.scripts[name]
        command = ("EVALSHA", script.digest, len(keys), *keys, *args)
        writes = name not in READERS
        reply = await self._call(keys[0], command, writes)
        if isinstance(reply, NoScriptError):
            node = self.node(keys[0])
            await self._checked(await node.call(("SCRIPT LOAD", script.text), False))
            reply = await self._call(keys[0], command, writes)
        return await self._checked(reply)

    async def command(self, *command: bytes | str | int) -> Any:
        """One plain command that reads; its first argument is its key."""
        key = command[1] if isinstance(command[1], bytes) else str(command[1]).encode()
        return await self._checked(await self._call(key, command, False))

    async def change(self, *command: bytes | str | int) -> Any:
        """One plain command that writes, outside of any account: markers and leases."""
        key = command[1] if isinstance(command[1], bytes) else str(command[1]).encode()
        return await self._checked(await self._call(key, command, True))

    async def read(self, commands: Sequence[Command]) -> list[Any]:
        """Plain commands that read, in one round trip when they share a server."""
        return list(await asyncio.gather(*(self.command(*command) for command in commands)))

    async def _call(self, key: bytes, command: Command, writes: bool) -> Any:
        reply = await self.node(key).call(command, writes)
        if isinstance(reply, ResponseError) and _is_moved(reply):
            await self._refresh()
            reply = await self.node(key).call(command, writes)
        elif isinstance(reply, Unavailable) and self._slots:
            await self._refresh_quietly()
        return reply

    def node(self, key: bytes) -> Node:
        """The server that has a key."""
        return self._slots[key_slot(key)] if self._slots else self._home

    async def _checked(self, reply: Any) -> Any:
        if isinstance(reply, ResponseError):
            word, _, text = str(reply).partition(" ")
            if word in WORDS:
                raise ScriptError(word, text)
        if isinstance(reply, Unavailable):
            raise reply
        if isinstance(reply, Exception):
            raise Unavailable() from reply
        return reply

    async def _refresh_quietly(self) -> None:
        try:
            await self._refresh()
        except Unavailable:
            return  # the caller has its Unavailable already

    async def _refresh(self) -> None:
        """Which server holds which slot of the cluster."""
        async with self._refreshing:
            reply: Any = Unavailable()
            for node in (self._home, *self._nodes.values()):
                reply = await node.call(("CLUSTER SLOTS",), False)
                if not isinstance(reply, Exception):
                    break
            slots = await self._checked(reply)
            table: list[Node] = [self._home] * 16384
            parts = urlsplit(self._url)
            user = parts.netloc.rpartition("@")[0]
            for first, last, (host, port, *_), *_ in slots:  # behind the primary come its replicas
                host = host.decode() if host else parts.hostname or ""
                url = urlunsplit(parts._replace(netloc=f"{user}@{host}:{port}" if user else f"{host}:{port}"))
                if url not in self._nodes:
                    self._nodes[url] = Node(url, self._timeout, self._wait)
                node = self._nodes[url]
                table[first : last + 1] = [node] * (last - first + 1)
            self._slots = table


def _is_moved(error: ResponseError) -> bool:
    return type(error).__name__ == "MovedError" or str(error).startswith("MOVED")
