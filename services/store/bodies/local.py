"""Bodies in a folder: the embedded default. Several stores may share it.

A body counts when its file and its folder are synced, and no one asks for it
before. One that comes in pieces is written under another name and moved when
it is whole. A small one is written where it belongs: a crash may leave a part
of it, which nobody knows of and a repeat replaces, and the journal of the file
system is waited for once, not twice. Calls run on threads, because a file
system can block.
"""

import contextlib
import os
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import ParamSpec, TypeVar

from services.common.errors import Unavailable
from services.store.bodies import CHUNK, BodyMissing
from services.store.bodies.ids import object_name
from services.store.bodies.threads import Threads

THREADS = 16
MARKER = "generation"
# What a crash left half-written; no upload takes so long.
LEFT_OVER_SECONDS = 86_400
P = ParamSpec("P")
T = TypeVar("T")


class LocalBodies:
    """BodyStore on a file system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = Threads(THREADS, "bodies")

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._threads.run(call, *args, **kwargs)
        except OSError as error:
            raise Unavailable("The body store is not available") from error

    async def _run_on(self, body: bytes, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `_run`, for a call that opens a body."""
        try:
            return await self._threads.run(call, *args, **kwargs)
        except FileNotFoundError as error:
            # A folder that is not there (a volume not mounted) says nothing about the bodies in it.
            if self._path(body).parent.is_dir():
                raise BodyMissing from None
            raise Unavailable("The body store is not available") from error
        except OSError as error:
            raise Unavailable("The body store is not available") from error

    def _path(self, body: bytes) -> Path:
        return self._folder / object_name(body)

    def _temporary(self) -> Path:
        return self._folder / "incoming" / secrets.token_hex(16)

    async def start(self) -> None:
        def make() -> None:
            for n in range(256):
                (self._folder / f"{n:02x}").mkdir(parents=True, exist_ok=True)
            incoming = self._folder / "incoming"
            incoming.mkdir(exist_ok=True)
            for path in incoming.iterdir():
                with contextlib.suppress(FileNotFoundError):  # its writer has just ended
                    if path.stat().st_mtime < time.time() - LEFT_OVER_SECONDS:
                        path.unlink()
            _sync_folder(self._folder)

        await self._run(make)

    async def put(
        self, name: Callable[[], bytes], chunks: AsyncIterator[bytes], metadata: Mapping[str, str]
    ) -> bytes:
        temporary = self._temporary()
        try:
            file = await self._run(open, temporary, "xb", 0)
            try:
                async for chunk in chunks:
                    await self._run(_write, file, chunk)
                body = name()
                await self._run(_keep, file, temporary, self._path(body))
            finally:
                file.close()
        finally:
            temporary.unlink(missing_ok=True)
        return body

    async def put_small(self, body: bytes, data: bytes, metadata: Mapping[str, str]) -> None:
        await self._run(self._put_small, self._path(body), data)

    def _put_small(self, final: Path, data: bytes) -> None:
        try:
            with open(final, "xb", 0) as file:
                try:
                    _write(file, data)
                    os.fsync(file.fileno())
                except BaseException:
                    file.truncate(0)  # the name may be a repeat's by now: it stays
                    raise
        except FileExistsError:
            # Whole or not, known or not: it is never written to, only replaced by its like.
            self._replace(final, data)
        else:
            _sync_folder(final.parent)

    def _replace(self, final: Path, data: bytes) -> None:
        temporary = self._temporary()
        try:
            with open(temporary, "xb", 0) as file:
                _write(file, data)
                _keep(file, temporary, final)
        finally:
            temporary.unlink(missing_ok=True)

    async def read(
        self, body: bytes, offset: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        file = await self._run_on(body, open, self._path(body), "rb", 0)
        try:
            await self._run(file.seek, offset)
            while length is None or length > 0:
                size = CHUNK if length is None else min(CHUNK, length)
                chunk = await self._run(file.read, size)
                if not chunk:
                    return
                yield chunk
                if length is not None:
                    length -= len(chunk)
        finally:
            file.close()

    async def get(self, body: bytes, offset: int = 0, length: int | None = None) -> bytes:
        def read() -> bytes:
            with open(self._path(body), "rb") as file:
                if offset:
                    file.seek(offset)
                return file.read(-1 if length is None else length)

        return await self._run_on(body, read)

    async def delete(self, bodies: Sequence[bytes]) -> None:
        def remove() -> None:
            for body in bodies:
                self._path(body).unlink(missing_ok=True)

        await self._run(remove)

    async def read_marker(self) -> bytes | None:
        return await self.read_note(MARKER)

    async def write_marker(self, generation: bytes) -> None:
        await self.create_note(MARKER, generation)

    async def create_note(self, name: str, data: bytes) -> bool:
        def write() -> bool:
            temporary, final = self._temporary(), self._folder / name
            try:
                with open(temporary, "xb", 0) as file:
                    _write(file, data)
                    os.fsync(file.fileno())
                if not final.parent.is_dir():
                    final.parent.mkdir(exist_ok=True)
                    _sync_folder(self._folder)
                try:
                    os.link(temporary, final)
                except FileExistsError:
                    return False
                finally:  # another one's note must not vanish either, once it was seen
                    _sync_folder(final.parent)
            finally:
                temporary.unlink(missing_ok=True)
            return True

        return await self._run(write)

    async def read_note(self, name: str) -> bytes | None:
        def read() -> bytes | None:
            try:
                return (self._folder / name).read_bytes()
            except FileNotFoundError:
                return None

        return await self._run(read)

    async def notes(self, folder: str) -> list[str]:
        def names() -> list[str]:
            path = self._folder / folder
            return os.listdir(path) if path.is_dir() else []

        return await self._run(names)

    async def close(self) -> None:
        await self._threads.close()


def _write(file: FileIO, data: bytes) -> None:
    """All of it: one write may take less, and says so, when the disk fills up."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _keep(file: FileIO, temporary: Path, final: Path) -> None:
    os.fsync(file.fileno())
    os.replace(temporary, final)
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
