"""A TCP proxy on the loopback that misbehaves when told to: what tests put between two parts of the platform.

It runs in a thread of its own, so that it works while a test waits for a reply.
"""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from enum import Enum, auto
from typing import Any


class Mode(Enum):
    OPEN = auto()
    CUT = auto()  # connections break, and new ones at once
    SILENT = auto()  # octets wait, in both directions
    MUTE = auto()  # what the client says arrives; what the server answers is lost


class Proxy:
    """Listens on `port` and passes everything to `target`."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, 0
        self._mode = Mode.OPEN
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._moving = asyncio.Event()  # not SILENT
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self.set(Mode.OPEN)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def set(self, mode: Mode) -> None:
        """From now on."""
        self._run(self._set(mode))

    async def _set(self, mode: Mode) -> None:
        was, self._mode = self._mode, mode
        if mode is Mode.SILENT:
            self._moving.clear()
        else:
            self._moving.set()
        if mode is Mode.CUT or was is Mode.MUTE:  # a stream that has lost octets is of no use
            for writer in self._writers:
                writer.transport.abort()

    def close(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        other = None
        try:
            if self._mode is Mode.CUT:
                return
            there, other = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(other)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, other, mutes=False))
                group.create_task(self._pump(there, writer, mutes=True))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # one side is gone, or the proxy closes: the other side goes too
        finally:
            for each in (writer, other):
                if each is not None:
                    each.transport.abort()
                    self._writers.discard(each)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mutes: bool) -> None:
        while octets := await reader.read(65536):
            await self._moving.wait()
            if mutes and self._mode is Mode.MUTE:
                continue
            writer.write(octets)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()
