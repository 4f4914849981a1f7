"""Bodies in a folder: the embedded default. Several stores may share it.

A body is written under a name of its own, synced, linked to its final name, and
the folder is synced: what has the final name is whole. Calls run in a pool of
threads, because a file system can block.
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from services.common.errors import Unavailable
from services.store.bodies import CHUNK, BodyMissing
from services.store.bodies.ids import object_name

THREADS = 16
MARKER = "generation"
P = ParamSpec("P")
T = TypeVar("T")


class LocalBodies:
    """BodyStore on a file system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(THREADS, "bodies")

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(*args, **kwargs))
        except FileNotFoundError:
            raise BodyMissing from None
        except OSError as error:
            raise Unavailable("The body store is not available") from error

    def _path(self, body: bytes) -> Path:
        return self._folder / object_name(body)

    async def start(self) -> None:
        def make() -> None:
            for n in range(256):
                (self._folder / f"{n:02x}").mkdir(parents=True, exist_ok=True)
            (self._folder / "incoming").mkdir(exist_ok=True)
            _sync_folder(self._folder)

        try:
            await self._run(make)
        except BodyMissing as error:
            raise Unavailable("The body store is not available") from error

    async def put(self, body: bytes, chunks: AsyncIterator[bytes], metadata: Mapping[str, str]) -> int:
        temporary, size = self._temporary(), 0
        opening = asyncio.ensure_future(self._run(open, temporary, "xb", 0))
        try:
            file = await asyncio.shield(opening)
        except asyncio.CancelledError:  # a thread may be opening it all the same
            with contextlib.suppress(Unavailable, BodyMissing):
                (await opening).close()
                temporary.unlink(missing_ok=True)
            raise
        try:
            async for chunk in chunks:
                await self._run(file.write, chunk)
                size += len(chunk)
            await self._run(self._keep, file.fileno(), temporary, self._path(body))
        finally:
            file.close()
            temporary.unlink(missing_ok=True)
        return size

    async def put_small(self, body: bytes, data: bytes, metadata: Mapping[str, str]) -> None:
        def write() -> None:
            temporary = self._temporary()
            number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(number, view) :]
                self._keep(number, temporary, self._path(body))
            finally:
                os.close(number)
                temporary.unlink(missing_ok=True)

        await self._run(write)

    def _temporary(self) -> Path:
        return self._folder / "incoming" / secrets.token_hex(16)

    def _keep(self, number: int, temporary: Path, final: Path) -> None:
        os.fsync(number)
        os.replace(temporary, final)
        _sync_folder(final.parent)

    async def read(self, body: bytes, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        file = await self._run(open, self._path(body), "rb", 0)
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
            with open(self._path(body), "rb", 0) as file:
                if offset:
                    file.seek(offset)
                return file.read(-1 if length is None else length)

        return await self._run(read)

    async def delete(self, bodies: Sequence[bytes]) -> None:
        def remove() -> None:
            for body in bodies:
                self._path(body).unlink(missing_ok=True)

        await self._run(remove)

    async def read_marker(self) -> bytes | None:
        try:
            return await self._run((self._folder / MARKER).read_bytes)
        except BodyMissing:
            return None

    async def write_marker(self, generation: bytes) -> None:
        def write() -> None:
            temporary = self._temporary()
            temporary.write_bytes(generation)
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            try:
                os.link(temporary, self._folder / MARKER)
            except FileExistsError:
                return
            finally:
                temporary.unlink()
            _sync_folder(self._folder)

        await self._run(write)

    async def close(self) -> None:
        self._pool.shutdown(wait=True)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
