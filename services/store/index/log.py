"""Two streams of a shard: events, for those who watch, and the redo log, from which keys can be made anew.

Each committed change has an entry in the redo log, and one among the events if
others are told of it. Events are small and kept long; effects are as large as
what they write and kept short. Positions are Redis's entry ids, such as
b"1700000000000-3".
"""

from dataclasses import dataclass

from services.common.errors import Refused
from services.store.index import keys
from services.store.index.core import Core, pairs

START = b"0-0"


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
    time: int  # Unix milliseconds, by Redis's clock
    event: LogEvent


class LogOperations(Core):
    """Mixed into Index."""

    async def log_end(self, shard: int) -> bytes:
        """The position behind the last event."""
        last = await self.connection.command("XREVRANGE", _key(shard), "+", "-", "COUNT", 1)
        return last[0][0] if last else START

    async def log_since(self, shard: int, position: bytes, count: int) -> list[LogEntry]:
        """Events behind a position."""
        found = await self.connection.command("XRANGE", _key(shard), b"(" + position, "+", "COUNT", count)
        return [parse_entry(identity, fields[1]) for identity, fields in found]

    async def effects(self, shard: int, position: bytes, count: int) -> list[tuple[bytes, bytes]]:
        """Positions and effects of the redo log behind a position: what `replay.py` applies."""
        key = keys.tag(shard) + b":log"
        found = await self.connection.command("XRANGE", key, b"(" + position, "+", "COUNT", count)
        return [(identity, pairs(fields)[b"e"]) for identity, fields in found]

    async def check_position(self, shard: int, position: bytes) -> None:
        """Refused(RESYNC_REQUIRED) unless no event behind the position can have been dropped."""
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
    return keys.tag(shard) + b":events"


def _numbers(position: bytes) -> tuple[int, int]:
    milliseconds, _, count = position.partition(b"-")
    return int(milliseconds), int(count)


def parse_entry(position: bytes, raw: bytes) -> LogEntry:
    account, seq, kind, mailbox, source, length, rest = raw.split(b" ", 6)
    uids, name = rest[: int(length)], rest[int(length) :]
    event = LogEvent(int(kind), int(mailbox), int(source), uids, name.decode())
    return LogEntry(position, account.decode(), int(seq), _numbers(position)[0], event)
