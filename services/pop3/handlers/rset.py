"""RSET (RFC 1939 §5): takes all marks back."""

from services.pop3.protocol.commands import Rset
from services.pop3.protocol.replies import ok
from services.pop3.session import Pop3Session


async def perform(session: Pop3Session, command: Rset) -> None:
    maildrop = session.opened.maildrop
    maildrop.reset()
    session.send(ok(f"{maildrop.count} messages ({maildrop.octets} octets)"))
