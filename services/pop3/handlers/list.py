"""LIST [msg] (RFC 1939 §5): sizes in octets."""

from services.pop3.protocol.commands import List
from services.pop3.protocol.replies import ok
from services.pop3.session import Pop3Session


async def perform(session: Pop3Session, command: List) -> None:
    maildrop = session.opened.maildrop
    if command.message is not None:
        session.send(ok(f"{command.message} {maildrop.size(command.message)}"))
        return
    session.send(ok(f"{maildrop.count} messages ({maildrop.octets} octets)"))
    for piece in maildrop.size_listing():
        session.send(piece)
        await session.flush_if_large()
