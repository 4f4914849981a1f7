"""Peers that behave badly over real sockets, and what must hold for every one of them.

Whatever was sent: the peer hears no internals, its connection ends, and nothing
of it is left in the process: no session, no task.
"""

import asyncio
import time
from collections.abc import Iterable

from services.common.listener import Server
from tests.dialogue import Connect

PATIENCE = 5.0  # seconds; every condition is polled for, and this is only for a machine that is very busy
# Where the coroutines of tasks for peers are written.
PLACES = ("/services/imap/", "/services/smtp/", "/services/pop3/", "/common/session.py", "/common/stream.py")
INTERNALS = (b"Traceback", b"Internal error", b'File "', b"Error(", b"Exception")


async def converse(connect: Connect, pieces: Iterable[bytes], pause: bool = False) -> bytes:
    """Send all, then no more; what the server has said when it has closed."""
    reader, writer = await connect()
    answers = asyncio.create_task(_all_of(reader))
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if pause:
                await asyncio.sleep(0)
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        pass  # it has closed already
    try:
        said = await asyncio.wait_for(answers, PATIENCE)
    finally:
        writer.close()
    for word in INTERNALS:
        assert word not in said, said
    return said


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    """Up to the end, or to where a server that has not read all of ours was cut off from us by TCP."""
    said = b""
    try:
        while octets := await reader.read(65536):
            said += octets
    except ConnectionError:
        pass
    return said


async def vanish(connect: Connect, octets: bytes) -> None:
    """Send something and be gone, without a goodbye and without having read."""
    _, writer = await connect()
    writer.write(octets)
    await writer.drain()
    writer.transport.abort()


async def hear(connect: Connect, octets: bytes) -> bytes:
    """Send something, then say nothing, and listen until the server closes."""
    reader, writer = await connect()
    writer.write(octets)
    said = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return said


async def quiet(server: Server) -> None:
    """Every session of the peers is gone, and every task that worked for one."""
    deadline = time.monotonic() + PATIENCE
    while server.connections or (left := [*filter(_works_for_a_peer, asyncio.all_tasks())]):
        assert time.monotonic() < deadline, server.connections or left
        await asyncio.sleep(0.02)


def _works_for_a_peer(task: asyncio.Task[object]) -> bool:
    """Tasks of sessions, streams, uploads: not those of the store and of gRPC, which share the loop here."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and any(place in code.co_filename for place in PLACES)
