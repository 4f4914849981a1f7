"""TOP msg n (RFC 1939 §7): the header, the empty line and n lines of the body.

The first octets nearly always hold them; only what they lack is read further,
up to the last wanted line.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.pop3.octets import read_octets, send_octets
from services.pop3.protocol.commands import Top
from services.pop3.protocol.multiline import TopCutter
from services.pop3.session import Pop3Session

FIRST_READ = 32 * 1024  # longer than most headers and some lines


async def perform(session: Pop3Session, command: Top) -> None:
    maildrop = session.opened.maildrop
    uid, size = maildrop.uid(command.message), maildrop.size(command.message)
    async with aclosing(_top(session, uid, size, command.lines)) as octets:
        await send_octets(session, "Top of message follows", octets)


async def _top(session: Pop3Session, uid: int, size: int, lines: int) -> AsyncGenerator[bytes, None]:
    cutter = TopCutter(lines)
    for offset, length in ((0, FIRST_READ), (FIRST_READ, 0)):
        if offset and offset >= size:
            return
        async with aclosing(read_octets(session, uid, offset, length)) as octets:
            async for data in octets:
                yield cutter.feed(data)
                if cutter.done:
                    return
