"""What the tests of the index share: a platform without bodies, accounts, messages, and what Redis holds."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np

from services.common.errors import Unavailable
from services.common.ids import new_request_id
from services.store.index import keys
from services.store.index.connection import Connection
from services.store.index.core import MailboxHeader, Request, Scope
from services.store.index.incarnation import Incarnations
from services.store.index.index import Index
from services.store.index.messages import NewMessage
from services.store.index.record import ROW, SHARED, U32, Rows
from tests.support.processes import RedisServer
from tests.support.redis_cluster import RedisCluster

Redis = RedisServer | RedisCluster
GENERATION = b"generation of the tests"
DATE = 1_700_000_000 << 16 | 60


class MemoryNotes:
    """Notes of the bodies in memory."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.reads = 0
        self.down = False

    def _check(self) -> None:
        if self.down:
            raise Unavailable("The body store is not available")

    async def read_marker(self) -> bytes | None:
        self._check()
        return GENERATION

    async def read_note(self, name: str) -> bytes | None:
        self._check()
        self.reads += 1
        return self.held.get(name)

    async def create_note(self, name: str, data: bytes) -> bool:
        self._check()
        return self.held.setdefault(name, data) is data

    async def notes(self, folder: str) -> list[str]:
        self._check()
        await asyncio.sleep(0)  # others come between
        return [name.removeprefix(folder + "/") for name in self.held if name.startswith(folder + "/")]


# Of all tests of a process: they share servers, whose numbers only rise.
NOTES = MemoryNotes()


@contextlib.asynccontextmanager
async def opened(
    url: str,
    connection: Connection | None = None,
    mark: bool = True,
    redo_log_octets: int = 1 << 40,
    notes: MemoryNotes = NOTES,
) -> AsyncIterator[Index]:
    """An index on a Redis, with the marker of a complete platform in every shard."""
    connection = connection or Connection(url, timeout=20.0)
    await connection.start()
    index = Index(connection, Incarnations(notes), redo_log_octets=redo_log_octets)
    index.generation = GENERATION
    if mark:
        await mark_shards(connection, GENERATION)
    try:
        yield index
    finally:
        await connection.close()


async def mark_shards(connection: Connection, generation: bytes) -> None:
    shards = (keys.tag(shard) for shard in range(keys.SHARDS))
    await asyncio.gather(*(connection.change("SET", shard + b":gen", generation) for shard in shards))


async def new_account(index: Index, name: str = "alice") -> Scope:
    account = index.new_account_id()
    await index.create_account(b"", account, f"{name}@example.test", "credential")
    return Scope(account, "1")


def request(digest: bytes = b"digest..") -> Request:
    """A request with an id of its own."""
    return Request(new_request_id(), digest)


def message(
    flags: int = 0, keywords: Sequence[str] = (), size: int = 1000, shared: bool = False
) -> NewMessage:
    """A message with a body of its own."""
    body = os.urandom(16)
    return NewMessage(body, size, DATE, b"summary of " + body, flags | (SHARED if shared else 0), keywords)


async def fill(index: Index, scope: Scope, count: int, name: str = "INBOX", flags: int = 0) -> U32:
    """The UIDs of that many new messages."""
    found: list[U32] = []
    for at in range(0, count, 1000):
        some = [message(flags) for _ in range(min(1000, count - at))]
        done = await index.append(scope, request(), name, some)
        found.append(np.frombuffer(done.uids, "<u4"))
    return np.concatenate(found)


def uids(*numbers: int) -> U32:
    return np.array(numbers, "<u4")


async def header(index: Index, scope: Scope, name: str = "INBOX") -> MailboxHeader:
    return (await index.head(scope, 0, name)).mailbox


async def records(index: Index, scope: Scope, name: str = "INBOX") -> Rows:
    """All records of a mailbox, tombstones included."""
    head = await index.head(scope, 0, name)
    pages = await index.pages(scope.account, head.mailbox.id, head.directory["page"].tolist())
    return np.concatenate(pages) if pages else np.empty(0, ROW)


async def keys_of(index: Index, *parts: bytes | str) -> dict[bytes, Any]:
    """Every key that lasts, by name, with what it holds; markers and logs apart. `parts`: only such names."""
    found: dict[bytes, Any] = {}
    for node in index.connection.servers:
        for key in await node.call(("KEYS", b"*"), False):
            if key.endswith((b":gen", b":log", b":logged", b":events")) or not all(
                _octets(part) in key for part in parts
            ):
                continue
            if await node.call(("TTL", key), False) == -1:
                found[key] = await _value(node, key)
    return found


async def _value(node: Any, key: bytes) -> Any:
    match await node.call(("TYPE", key), False):
        case b"string":
            return await node.call(("GET", key), False)
        case b"hash":
            return await node.call(("HGETALL", key), False)
        case b"list":
            return await node.call(("LRANGE", key, 0, -1), False)
        case b"set":
            return set(await node.call(("SMEMBERS", key), False))
        case kind:
            assert kind == b"zset", (key, kind)
            return dict(await node.call(("ZRANGE", key, 0, -1, "WITHSCORES"), False))


def _octets(part: bytes | str) -> bytes:
    return part if isinstance(part, bytes) else part.encode()


async def log_length(index: Index, scope: Scope) -> int:
    """Entries of the account's shard."""
    return int(await index.connection.command("XLEN", keys.tag(keys.shard_of(scope.account)) + b":log"))
