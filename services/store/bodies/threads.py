"""Blocking calls on threads of their own, so that the event loop never waits for a disk or a socket.

Nobody who gives up leaves a thread behind on what he then closes: a call that
runs is waited for, one that has not begun is taken back. Callers beyond the
number of threads wait for a bounded time, so that a store behind that hangs
makes calls fail, not pile up.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import IOBase
from typing import ParamSpec, TypeVar

from services.common.errors import Unavailable

# For a thread to become free; the call itself has deadlines of its own.
QUEUE_SECONDS = 8.0
P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A bounded number of blocking calls at a time."""

    def __init__(self, count: int, name: str, queue_seconds: float = QUEUE_SECONDS) -> None:
        self._pool = ThreadPoolExecutor(count, name)
        self._free = asyncio.Semaphore(count)
        self._queue_seconds = queue_seconds

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a call; Unavailable when no thread becomes free in time."""
        await self._take()
        try:
            work = self._pool.submit(call, *args, **kwargs)
            done = asyncio.wrap_future(work)
            try:
                return await asyncio.shield(done)
            except asyncio.CancelledError:
                if not work.cancel():
                    await asyncio.wait((done,))
                    # Nobody waits for it any more: an error is seen, and a file that was opened is closed.
                    if done.exception() is None and isinstance(opened := done.result(), IOBase):
                        opened.close()
                raise
        finally:
            self._free.release()

    async def _take(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(self._queue_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Unavailable("The body store is too busy") from None

    async def close(self) -> None:
        """Waits for what runs."""
        await asyncio.to_thread(self._pool.shutdown, wait=True)
