"""Replays the redo log: its effects, applied to an empty Redis, give byte-identical keys.

What expires (request ids, dedupe keys, locks, leases) is not in the log.
"""

import struct
from collections.abc import Iterator
from typing import Any

from services.store.index.connection import Connection

COMMANDS = {
    b"S": "SETRANGE",
    b"W": "SET",
    b"H": "HSET",
    b"R": "HDEL",
    b"D": "DEL",
    b"Z": "ZADD",
    b"Y": "ZREM",
    b"A": "SADD",
    b"M": "SREM",
    b"P": "RPUSH",
    b"L": "LSET",
}


def commands(tag: bytes, effects: bytes) -> Iterator[list[Any]]:
    """The commands of one entry, in order. `tag` is the shard's hash tag."""
    at = 0
    while at < len(effects):
        code = effects[at : at + 1]
        count, length = struct.unpack_from("<HH", effects, at + 1)
        at += 5
        command: list[Any] = [COMMANDS[code], tag + b":" + effects[at : at + length]]
        at += length
        for _ in range(count):
            (length,) = struct.unpack_from("<I", effects, at)
            command.append(effects[at + 4 : at + 4 + length])
            at += 4 + length
        yield command


async def replay(connection: Connection, tag: bytes, effects: bytes) -> None:
    """Apply one entry."""
    for command in commands(tag, effects):
        await connection.change(*command)
