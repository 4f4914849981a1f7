"""A line that answers what a command has asked for: DONE, or a SASL response."""

from services.imap.handlers import authenticate, idle
from services.imap.protocol.commands.idle import Idle
from services.imap.protocol.events import Line
from services.imap.session import ImapSession


async def perform(session: ImapSession, event: Line) -> None:
    pending, session.pending_line = session.pending_line, None
    if isinstance(pending, Idle):
        await idle.done(session, event)
    else:
        await authenticate.respond(session, pending, event)
