"""QUIT (RFC 1939 §4, §6): after a login it removes what is marked, all or nothing, and unlocks."""

from services.pop3.protocol.commands import Quit
from services.pop3.protocol.replies import ok
from services.pop3.session import Pop3Session


async def perform(session: Pop3Session, command: Quit) -> None:
    # Whatever comes of it, this was the last command; a failure's reply goes out before the close.
    session.end()
    if session.transaction is not None:
        removed = await session.transaction.commit()
        session.service.metrics.removed.inc(removed)
        session.log.info("logout", removed=removed)
    session.send(ok("Bye"))
