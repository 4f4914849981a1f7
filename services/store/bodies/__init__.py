"""Where message bodies live: S3, or a folder. One contract, one suite of tests for both.

Objects are immutable and named by body id (`ids.py`). What `put` returns from is
durable. Unavailable: the store behind is not there now; nothing is known of the
outcome, and a repeat with the same id is safe. BodyMissing: there is no such body.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

# Octets of one piece of a body as it is read.
CHUNK = 256 * 1024


class BodyMissing(Exception):
    """There is no such body."""


class BodyStore(Protocol):
    """Durable octets by body id."""

    async def start(self) -> None:
        """Make the bucket or folder if need be; Unavailable while that cannot be done."""
        ...

    async def put(
        self, name: Callable[[], bytes], chunks: AsyncIterator[bytes], metadata: Mapping[str, str]
    ) -> bytes:
        """Keep a body of any size; its id, which `name` is asked for when the chunks have ended.

        What `chunks` raises is raised, and nothing is kept.
        """
        ...

    async def put_small(self, body: bytes, data: bytes, metadata: Mapping[str, str]) -> None:
        """Keep a body that is in memory anyway."""
        ...

    def read(self, body: bytes, offset: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """The octets of a range, in pieces of at most CHUNK; what is behind the end is left out.

        Whoever stops early closes it (`aclosing`).
        """
        ...

    async def get(self, body: bytes, offset: int = 0, length: int | None = None) -> bytes:
        """The octets of a small range; what is behind the end is left out."""
        ...

    async def delete(self, bodies: Sequence[bytes]) -> None:
        """Remove bodies; those that are not there are no failure."""
        ...

    async def read_marker(self) -> bytes | None:
        """The generation id that was left here, None before that."""
        ...

    async def write_marker(self, generation: bytes) -> None:
        """Leave the generation id here, unless there is one."""
        ...

    async def create_note(self, name: str, data: bytes) -> bool:
        """Leave a small object beside the bodies, for ever; False when one of that name is there.

        Exclusive: of all who try at the same time, one is told True. Names: letters and digits, with `/`
        behind the folder's.
        """
        ...

    async def read_note(self, name: str) -> bytes | None:
        """What `create_note` left there; None when it left nothing."""
        ...

    async def notes(self, folder: str) -> list[str]:
        """The names of a folder's notes, without the folder, in no order."""
        ...

    async def close(self) -> None:
        """Give back threads and connections."""
        ...
