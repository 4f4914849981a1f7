"""LocalBodies: what a crash or a full disk leaves, and a folder that is not there."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from io import FileIO
from pathlib import Path
from typing import Any, cast

import pytest

from services.common.errors import Unavailable
from services.common.ids import new_request_id
from services.store.bodies import BodyMissing
from services.store.bodies.ids import body_id, object_name
from services.store.bodies.local import LEFT_OVER_SECONDS, LocalBodies, _write

# Writes a megabyte of an upload, says so, and waits for the end of the world.
WRITER = """
import asyncio, pathlib, sys
from services.store.bodies.local import LocalBodies

async def chunks():
    yield bytes(1 << 20)
    print("halfway", flush=True)
    await asyncio.Event().wait()

async def main():
    bodies = LocalBodies(pathlib.Path(sys.argv[1]))
    await bodies.start()
    await bodies.put(lambda: bytes.fromhex(sys.argv[2]), chunks(), {})

asyncio.run(main())
"""


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def crash_halfway(folder: Path, body: bytes) -> None:
    """A process that is killed in the middle of an upload."""
    argv = [sys.executable, "-c", WRITER, str(folder), body.hex()]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "halfway\n"
        writer.kill()


async def test_a_crash_leaves_no_part_of_an_upload(tmp_path: Path) -> None:
    body = body_id(new_request_id())
    crash_halfway(tmp_path, body)
    bodies = LocalBodies(tmp_path)
    await bodies.start()
    with pytest.raises(BodyMissing):
        await bodies.get(body)
    # What it left is nobody's, and goes when it is too old to be at work.
    [left] = files(tmp_path)
    assert left.parent.name == "incoming"
    old = time.time() - LEFT_OVER_SECONDS - 60
    os.utime(left, (old, old))
    await bodies.start()
    assert files(tmp_path) == []
    await bodies.close()


async def test_a_small_body_counts_when_file_and_folder_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies, body = LocalBodies(tmp_path), body_id(new_request_id())
    await bodies.start()
    final = tmp_path / object_name(body)
    synced = []

    def fsync(number: int) -> None:
        path = Path(f"/dev/fd/{number}").resolve()
        synced.append((path, path.read_bytes() if path.is_file() else None))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        await bodies.put_small(body, b"text", {})
    assert synced == [(final, b"text"), (final.parent, None)]
    await bodies.close()


async def test_what_a_crash_left_of_a_small_body_is_replaced(tmp_path: Path) -> None:
    bodies, body = LocalBodies(tmp_path), body_id(new_request_id())
    await bodies.start()
    final = tmp_path / object_name(body)
    final.write_bytes(b"a pa")
    halfway = os.open(final, os.O_WRONLY | os.O_APPEND)  # the first attempt may still be at it
    await bodies.put_small(body, b"a part", {})
    os.write(halfway, b"rt")
    os.close(halfway)
    assert await bodies.get(body) == b"a part"
    assert files(tmp_path) == [final]
    await bodies.close()


@pytest.mark.parametrize("repeated", [False, True])
async def test_a_full_disk_keeps_no_octets_and_spares_a_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repeated: bool
) -> None:
    bodies, body = LocalBodies(tmp_path), body_id(new_request_id())
    await bodies.start()

    def fsync(number: int) -> None:
        monkeypatch.undo()
        if repeated:  # another attempt has just succeeded
            bodies._put_small(tmp_path / object_name(body), b"text")
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(Unavailable):
        await bodies.put_small(body, b"text", {})
    assert await bodies.get(body) == (b"text" if repeated else b"")
    await bodies.put_small(body, b"text", {})
    assert await bodies.get(body) == b"text"
    await bodies.close()


async def test_a_failed_upload_leaves_no_file(tmp_path: Path) -> None:
    bodies = LocalBodies(tmp_path)
    await bodies.start()

    async def failing() -> AsyncIterator[bytes]:
        yield b"x"
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # it is the source's own
        await bodies.put(lambda: body_id(new_request_id()), failing(), {})
    assert files(tmp_path) == []
    await bodies.close()


async def test_a_folder_that_is_not_there_is_no_missing_body(tmp_path: Path) -> None:
    bodies, body = LocalBodies(tmp_path / "volume"), body_id(new_request_id())

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"

    with pytest.raises(Unavailable):
        await bodies.get(body)
    with pytest.raises(Unavailable):
        await anext(bodies.read(body))
    with pytest.raises(Unavailable):
        await bodies.put_small(body, b"x", {})
    with pytest.raises(Unavailable):
        await bodies.put(lambda: body, chunks(), {})
    await bodies.close()


def test_all_of_a_chunk_is_written() -> None:
    """A disk that fills up takes a part of what it is given."""

    class Narrow:
        taken = b""

        def write(self, data: Any) -> int:
            self.taken += bytes(data[:3])
            return min(len(data), 3)

    file = Narrow()
    _write(cast(FileIO, file), b"0123456789")
    assert file.taken == b"0123456789"
