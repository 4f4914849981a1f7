"""The generation marker: an empty or foreign Redis is never taken for the truth.

Bucket and every shard hold the same generation id, and Redis says that the
index is complete. A platform is initialised only where neither side has an id;
from then on a missing or different one means UNAVAILABLE to everything.
"""

import asyncio
import secrets
from typing import Protocol

from services.common.config import SettingError
from services.common.errors import Unavailable
from services.store.index import keys
from services.store.index.connection import Connection

# What all stores may write; a store refuses a platform whose format it does not know. Format 1, of no
# release, had summaries in hashes and other request ids and events.
FORMAT = 2


class MarkedBodies(Protocol):
    """What is needed of the bodies (`services/store/bodies`)."""

    async def read_marker(self) -> bytes | None: ...
    async def write_marker(self, generation: bytes) -> None: ...


class Misconfigured(SettingError):
    """Redis is set up so that mail could be lost: nothing that waiting repairs."""


async def check_server(connection: Connection) -> None:
    """Misconfigured for a Redis that may evict keys."""
    for node in connection.servers:
        policy = (await node.info("memory")).get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            raise Misconfigured(f"REDIS_URL: maxmemory-policy is {policy}; Buuta needs noeviction")


async def generation(connection: Connection, bodies: MarkedBodies) -> bytes:
    """The platform's generation id, made on first start; Unavailable when the two sides disagree."""
    there = await bodies.read_marker()
    platform = await connection.command("HGETALL", keys.PLATFORM)
    if platform.get(b"index") == b"complete":
        if (written := int(platform[b"format.write"])) != FORMAT:
            other = "newer" if written > FORMAT else "older"
            raise Unavailable(f"The platform's format is {other} than this store")
        if there is None or there != platform[b"generation"]:
            raise Unavailable("The bodies and the index are not of the same platform")
        return there
    if there is not None and there != platform.get(b"generation"):
        raise Unavailable("The index is empty or incomplete, and the bodies are not")
    return await _initialise(connection, bodies)


async def _initialise(connection: Connection, bodies: MarkedBodies) -> bytes:
    """Every step can be repeated, by this store or by another one at the same time."""
    call = connection.change
    await call("HSETNX", keys.PLATFORM, "generation", secrets.token_hex(16))
    chosen: bytes = await connection.command("HGET", keys.PLATFORM, "generation")
    await call("HSETNX", keys.PLATFORM, "format.write", FORMAT)
    await call("HSETNX", keys.PLATFORM, "shards", keys.SHARDS)
    shards = (keys.tag(shard) for shard in range(keys.SHARDS))
    await asyncio.gather(*(call("SET", shard + b":gen", chosen) for shard in shards))
    await bodies.write_marker(chosen)
    if await bodies.read_marker() != chosen:
        raise Unavailable("Another store initialises the bodies")
    await call("HSET", keys.PLATFORM, "index", "complete")
    return chosen
