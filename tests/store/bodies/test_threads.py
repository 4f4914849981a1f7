"""Threads: whoever gives up leaves nothing running on what he closes, and nobody waits for ever."""

import asyncio
import threading
from io import FileIO
from pathlib import Path

import pytest

from services.common.errors import Unavailable
from services.store.bodies.threads import Threads


async def test_results_and_failures_come_through() -> None:
    threads = Threads(2, "test")
    assert await threads.run(int, "17") == 17
    with pytest.raises(ValueError, match="invalid literal"):
        await threads.run(int, "x")
    await threads.close()


async def test_a_call_that_runs_is_waited_for() -> None:
    threads, running, release = Threads(1, "test"), asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    ended = []

    def call() -> None:
        loop.call_soon_threadsafe(running.set)
        release.wait()
        ended.append(True)

    task = asyncio.ensure_future(threads.run(call))
    await running.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended
    await threads.close()


async def test_callers_beyond_the_threads_wait_for_a_bounded_time() -> None:
    threads, release = Threads(1, "test", queue_seconds=0.05), threading.Event()
    first = asyncio.ensure_future(threads.run(release.wait))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await threads.run(int)
    release.set()
    assert await first
    assert await threads.run(int) == 0
    await threads.close()


async def test_a_file_whose_opener_has_given_up_is_closed(tmp_path: Path) -> None:
    threads, running, release = Threads(1, "test"), asyncio.Event(), threading.Event()
    loop, files = asyncio.get_running_loop(), list[FileIO]()

    def open_slowly() -> FileIO:
        loop.call_soon_threadsafe(running.set)
        release.wait()
        files.append(FileIO(tmp_path / "x", "xb"))
        return files[0]

    task = asyncio.create_task(threads.run(open_slowly))
    await running.wait()
    task.cancel()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files[0].closed
    await threads.close()
