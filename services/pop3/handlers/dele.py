"""DELE msg (RFC 1939 §5): a mark that takes effect at QUIT."""

from services.pop3.protocol.commands import Dele
from services.pop3.protocol.replies import ok
from services.pop3.session import Pop3Session


async def perform(session: Pop3Session, command: Dele) -> None:
    session.opened.maildrop.delete(command.message)
    session.send(ok(f"Message {command.message} is marked as deleted"))
