"""What all operations on the index share: who asks, how a script is run, what a mailbox's header says."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.common.errors import Unavailable
from services.store.index import keys
from services.store.index.connection import Connection
from services.store.index.errors import ScriptError, fault
from services.store.index.incarnation import Incarnations

# A request id is kept 15 minutes and its time may be this far from ours (clocks differ).
REQUEST_ID_SKEW_MS = 10 * 60 * 1000
LOG_RETENTION = 1000  # events of a shard
REDO_LOG_OCTETS = 8 * 1024  # of a shard
TRIES = 3  # of a script: Redis may have become another server since the last one


Args = Sequence[bytes | str | int]


@dataclass(frozen=True, slots=True)
class Scope:
    """An account, and in whose name it is touched."""

    account: str
    epoch: str = ""  # of the session's credential; "": no session (an administrator, a delivery)


@dataclass(frozen=True, slots=True)
class Request:
    """What makes a mutation repeatable."""

    id: bytes = b""  # 16 octets; b"": this operation is harmless to repeat
    digest: bytes = b""  # 8 octets of a digest of its arguments


@dataclass(frozen=True, slots=True)
class MailboxHeader:
    """A mailbox as its header says."""

    id: int
    name: str
    uidvalidity: int
    uidnext: int
    modseq: int
    messages: int
    unseen: int
    deleted: int
    size: int
    recent_from: int  # the first UID no session was told of as \\Recent
    oldest: int  # differences since an older modseq are not known
    keywords: list[str] = field(default_factory=list)
    subscribed: bool = False
    special_use: int = 0

    @staticmethod
    def parse(number: int, header: dict[bytes, bytes], entry: bytes) -> "MailboxHeader":
        words = entry.split(b"|")
        keywords = header.get(b"kw", b"").decode()
        return MailboxHeader(
            id=number,
            name=header[b"name"].decode(),
            uidvalidity=int(header[b"uidv"]),
            uidnext=int(header[b"uidnext"]),
            modseq=int(header[b"modseq"]),
            messages=int(header[b"count"]),
            unseen=int(header[b"unseen"]),
            deleted=int(header[b"deleted"]),
            size=int(header[b"size"]),
            recent_from=int(header[b"recent"]),
            oldest=int(header[b"oldest"]),
            keywords=keywords.split("\n") if keywords else [],
            subscribed=len(words) > 1 and words[1] == b"1",
            special_use=int(words[2]) if len(words) > 2 else 0,
        )


class Core:
    """Runs scripts for one platform; the operations are in its subclasses."""

    def __init__(
        self,
        connection: Connection,
        incarnations: Incarnations,
        log_retention: int = LOG_RETENTION,
        redo_log_octets: int = REDO_LOG_OCTETS,
    ) -> None:
        self.connection, self.incarnations = connection, incarnations
        self.generation = b""  # set by marker.py; b"" matches no shard
        self.log_retention, self.redo_log_octets = log_retention, redo_log_octets

    async def write(
        self, script: str, scope: Scope, request: Request, *args: bytes | str | int, key: bytes = b""
    ) -> bytes:
        """Run a write script on the account (or on `key`); Refused when it refuses."""
        key = key or keys.account_key(scope.account)
        before = (
            name_of(request, key),
            request.digest,
            self.generation,
            int(time.time() * 1000),
            scope.epoch,
            self.log_retention,
            self.redo_log_octets,
        )
        reply: bytes = await self._run(script, key, before, args)
        return reply

    async def read(self, script: str, scope: Scope, *args: bytes | str | int) -> Any:
        """Run a reading script on the account; Refused when it refuses."""
        return await self._run(script, keys.account_key(scope.account), (self.generation, scope.epoch), args)

    async def _run(self, script: str, key: bytes, before: Args, args: Args) -> Any:
        """Run a script on the server that has the key, as the incarnation that it is.

        A server that has become another one refuses before it does anything, so that a repeat is safe.
        """
        for _ in range(TRIES):
            expected = self.incarnations.of(self.connection.node(key))
            try:
                return await self.connection.script(script, [key], [*before, *expected, *args])
            except ScriptError as error:
                if error.word != "INCARNATION":
                    raise fault(error) from error
                replid = error.text.encode()
            await self.incarnations.learn(self.connection.node(key), replid, self.generation)
        raise Unavailable("Redis changes from server to server")

    async def check_shard(self, shard: int) -> None:
        """Unavailable unless the shard is what this platform left there."""
        if await self.connection.command("GET", keys.tag(shard) + b":gen") != self.generation:
            raise Unavailable("The index is not complete")


def name_of(request: Request, key: bytes) -> bytes:
    """What a shard knows a request by: the time of its id, and 96 bits for the id and what it touches."""
    return request.id[:6] + hashlib.sha256(request.id + key).digest()[:12] if request.id else b""


def pairs(flat: Any) -> dict[bytes, bytes]:
    """field, value, field, value, ... as a dictionary."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
