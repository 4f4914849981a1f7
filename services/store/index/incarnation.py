"""Incarnations: each server that ever continued the index has a number, and later ones have higher ones.

A Redis server tells by its `master_replid` that another one, or the same one after
a restart, goes on with the data. Each replid gets a number, kept with the bodies,
which survive Redis: one immutable note per incarnation, created exclusively. A
script is told the replid that the store expects and its number, and refuses with
INCARNATION, before anything else, on a server that has another one.

The number is the next one, or that of the day if that is higher: so a copy that is
many days old is many numbers old, and numbers go on above those in use when the
notes are lost.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Protocol

import structlog

from services.common.errors import Unavailable

log = structlog.stdlib.get_logger()
FOLDER = "incarnations"
DAY = 86_400  # seconds
# How far a number may be ahead of the last one: a clock that is wrong wastes no more.
MOST_DAYS = 366
READ_TOGETHER = 16


class Notes(Protocol):
    """What is needed of the bodies (`services/store/bodies`)."""

    async def read_marker(self) -> bytes | None: ...
    async def read_note(self, name: str) -> bytes | None: ...
    async def create_note(self, name: str, data: bytes) -> bool: ...
    async def notes(self, folder: str) -> list[str]: ...


class Incarnations:
    """What one store knows of them. What it knows needs no bodies; what it has to look up does."""

    def __init__(self, notes: Notes, clock: Callable[[], float] = time.time) -> None:
        self._notes, self._clock = notes, clock
        self._numbers: dict[bytes, int] = {}  # by replid
        self._read: set[int] = set()  # numbers whose notes have been read
        self._servers: dict[Hashable, bytes] = {}  # replid by server
        self._looking: dict[bytes, asyncio.Future[int]] = {}

    def of(self, server: Hashable) -> tuple[bytes, int]:
        """The replid that this server had last, and its number; (b"", 0) for a new server."""
        replid = self._servers.get(server, b"")
        return replid, self._numbers.get(replid, 0)

    async def learn(self, server: Hashable, replid: bytes, generation: bytes) -> None:
        """The server has this replid now. Unavailable when its number cannot be found or made."""
        await self.number(replid, generation)
        self._servers[server] = replid

    async def number(self, replid: bytes, generation: bytes) -> int:
        """The number of an incarnation; callers of one moment share one look, and its failure."""
        if replid in self._numbers:
            return self._numbers[replid]
        if replid in self._looking:
            return await asyncio.shield(self._looking[replid])
        found = self._looking[replid] = asyncio.get_running_loop().create_future()
        try:
            number = await self._find_or_create(replid, generation)
            found.set_result(number)
        finally:
            del self._looking[replid]
            if not found.done():  # this caller's failure is raised; the others try again later
                found.set_exception(Unavailable("The incarnation of Redis is not known yet"))
                found.exception()
        return number

    async def _find_or_create(self, replid: bytes, generation: bytes) -> int:
        try:
            # An empty folder in the place of a volume that is not mounted knows of no incarnation.
            if await self._notes.read_marker() != generation:
                raise Unavailable("The bodies and the index are not of the same platform")
            while True:  # when the next number is taken, another server has it: this ends
                last = await self._look(replid)
                if replid in self._numbers:
                    return self._numbers[replid]
                number = self._next(last)
                if await self._notes.create_note(f"{FOLDER}/{number}", replid):
                    log.info("new incarnation of Redis", number=number, replid=replid.decode())
                    self._keep(number, replid)
                    return number
        except Unavailable as unavailable:
            cause = repr(unavailable.__cause__ or unavailable)[:200]
            log.warning("incarnation of Redis not known yet", replid=replid.decode(), cause=cause)
            raise Unavailable("The incarnation of Redis is not known yet") from unavailable

    def _next(self, last: int) -> int:
        today = int(self._clock()) // DAY
        return max(last + 1, min(today, last + MOST_DAYS) if last else today)

    async def _look(self, replid: bytes) -> int:
        """Reads notes, the latest ones first, until this replid is found; the highest number there is."""
        names = await self._notes.notes(FOLDER)
        numbers = sorted((int(name) for name in names if name.isdecimal()), reverse=True)
        unread = [number for number in numbers if number not in self._read]
        for at in range(0, len(unread), READ_TOGETHER):
            if replid in self._numbers:
                break
            await asyncio.gather(*(map(self._read_one, unread[at : at + READ_TOGETHER])))
        return numbers[0] if numbers else 0

    async def _read_one(self, number: int) -> None:
        replid = await self._notes.read_note(f"{FOLDER}/{number}")
        if replid is None:
            raise Unavailable(f"The note of incarnation {number} is gone")
        self._keep(number, replid)

    def _keep(self, number: int, replid: bytes) -> None:
        self._read.add(number)
        self._numbers[replid] = number


def token(number: int) -> bytes:
    """The incarnation as callers of the API have it: opaque to them."""
    return b"%d" % number
