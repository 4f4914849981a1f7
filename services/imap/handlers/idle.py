"""IDLE (RFC 2177): hints of the store wake the session; it holds no task and no stream meanwhile."""

from services.common.errors import SyntaxFault
from services.imap.protocol.commands.idle import Idle
from services.imap.protocol.events import Line
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Idle) -> None:
    session.subscribe()
    if session.selected is not None:
        await session.sync()
        if session.closing:
            return
    session.send(b"+ idling\r\n")
    session.tell_changes(allow_expunge=True)
    session.pending_line = command
    session.engine.expect_line()
    session.defer()
    session.service.metrics.idling.inc()


async def done(session: ImapSession, line: Line) -> None:
    session.service.metrics.idling.dec()
    if line.data.upper() != b"DONE":
        raise SyntaxFault("Expected DONE")
