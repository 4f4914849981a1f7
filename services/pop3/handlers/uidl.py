"""UIDL [msg] (RFC 1939 §7): names of messages that stay the same in all sessions."""

from services.pop3.protocol.commands import Uidl
from services.pop3.protocol.replies import ok
from services.pop3.session import Pop3Session


async def perform(session: Pop3Session, command: Uidl) -> None:
    maildrop = session.opened.maildrop
    if command.message is not None:
        session.send(ok(f"{command.message} {maildrop.unique_id(command.message)}"))
        return
    session.send(ok(f"{maildrop.count} messages"))
    for piece in maildrop.unique_id_listing():
        session.send(piece)
        await session.flush_if_large()
