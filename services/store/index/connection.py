"""Redis, alone or Cluster: scripts and commands go to the server that has their key.

Every failure is one of two kinds. ScriptError: a script refused. Unavailable:
anything else. Nothing is repeated (a script whose reply is late may have run)
but what was answered NOSCRIPT or MOVED, which prove that nothing was done.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis.crc import key_slot
from redis.exceptions import NoScriptError, ResponseError

from services.common.errors import Unavailable
from services.store.index.errors import WORDS, ScriptError
from services.store.index.link import Command
from services.store.index.node import Node
from services.store.index.scripts import READERS, load


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
        if (await self._home.info("cluster")).get("cluster_enabled") == "1":
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
            _checked(await node.call(("SCRIPT", "LOAD", script.text), False))
            reply = await self._call(keys[0], command, writes)
        return _checked(reply)

    async def command(self, *command: bytes | str | int) -> Any:
        """One plain command that reads; its first argument is its key."""
        return _checked(await self._call(_key(command), command, False))

    async def change(self, *command: bytes | str | int) -> Any:
        """One plain command that writes, outside of any account: markers and leases."""
        return _checked(await self._call(_key(command), command, True))

    async def read(self, commands: Sequence[Command]) -> list[Any]:
        """Plain commands that read, in one round trip when they share a server."""
        replies = [self.node(_key(command)).put(command, False) for command in commands]
        return [
            _checked(await self._settled(_key(command), command, False, await reply))
            for command, reply in zip(commands, replies, strict=True)
        ]

    async def _call(self, key: bytes, command: Command, writes: bool) -> Any:
        return await self._settled(key, command, writes, await self.node(key).put(command, writes))

    async def _settled(self, key: bytes, command: Command, writes: bool, reply: Any) -> Any:
        """The reply; that of the server which has the key, when another one was asked."""
        if isinstance(reply, ResponseError) and _is_moved(reply):
            await self._refresh()
            reply = await self.node(key).put(command, writes)
        elif isinstance(reply, Unavailable) and self._slots:
            await self._refresh_quietly()
        return reply

    def node(self, key: bytes) -> Node:
        """The server that has a key."""
        return self._slots[key_slot(key)] if self._slots else self._home

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
                reply = await node.call(("CLUSTER", "SLOTS"), False)
                if not isinstance(reply, Exception):
                    break
            slots = _checked(reply)
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


def _key(command: Command) -> bytes:
    key = command[1]
    return key if isinstance(key, bytes) else str(key).encode()


def _checked(reply: Any) -> Any:
    """The reply of a command that succeeded; ScriptError or Unavailable otherwise."""
    if not isinstance(reply, Exception):
        return reply
    if isinstance(reply, ResponseError):
        word, _, text = str(reply).partition(" ")
        if word in WORDS:
            raise ScriptError(word, text)
    if isinstance(reply, Unavailable):
        raise reply
    raise Unavailable() from reply
