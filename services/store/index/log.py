"""The redo log of a shard, as those read it who watch for changes or replay it.

One stream per shard; each entry is one committed change: account, seq, time,
effects, and the event that watchers are told of ('' for none). Positions are
Redis's entry ids, such as b"1700000000000-3".
"""

import struct
from dataclasses import dataclass

from services.common.errors import Refused
from services.store.index import keys
from services.store.index.core import Core

START = b"0-0"
EVENT = struct.Struct("<BQQI")


@dataclass(frozen=True, slots=True)
class LogEvent:
    """What an entry tells watchers; kinds are those of Event.Kind of the API."""

    kind: int
    mailbox: int
    source: int
    uids: bytes
    name: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    position: bytes
    account: str
    seq: int
    time: int  # Unix milliseconds
    effects: bytes
    event: LogEvent | None


class LogOperations(Core):
    """Mixed into Index."""

    async def log_end(self, shard: int) -> bytes:
        """The position behind the last entry."""
        last = await self.connection.command("XREVRANGE", _key(shard), "+", "-", "COUNT", 1)
        return last[0][0] if last else START

    async def log_since(self, shard: int, position: bytes, count: int) -> list[LogEntry]:
        """Entries behind a position."""
        found = await self.connection.command("XRANGE", _key(shard), b"(" + position, "+", "COUNT", count)
        return [parse_entry(identity, fields) for identity, fields in found]

    async def check_position(self, shard: int, position: bytes) -> None:
        """Refused(RESYNC_REQUIRED) unless no entry behind the position can have been dropped."""
        key = _key(shard)
        length, same, last = await self.connection.read(
            [("XLEN", key), ("XRANGE", key, position, position), ("XREVRANGE", key, "+", "-", "COUNT", 1)]
        )
        behind = bool(last) and _numbers(position) > _numbers(last[0][0])
        # Entries go by trimming only; a position before the first one was never an entry.
        trimmed = not same and (position != START or length >= self.log_retention)
        if behind or trimmed:
            raise Refused("RESYNC_REQUIRED", "The token is too old: read the state anew")


def _key(shard: int) -> bytes:
    return keys.tag(shard) + b":log"


def _numbers(position: bytes) -> tuple[int, int]:
    milliseconds, _, count = position.partition(b"-")
    return int(milliseconds), int(count)


def parse_entry(position: bytes, fields: dict[bytes, bytes]) -> LogEntry:
    raw = fields[b"v"]
    event = None
    if raw:
        kind, mailbox, source, length = EVENT.unpack_from(raw)
        uids = raw[EVENT.size : EVENT.size + length]
        event = LogEvent(kind, mailbox, source, uids, raw[EVENT.size + length :].decode())
    return LogEntry(
        position, fields[b"a"].decode(), int(fields[b"s"]), int(fields[b"t"]), fields[b"e"], event
    )
