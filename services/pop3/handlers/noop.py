"""NOOP (RFC 1939 §5)."""

from services.pop3.protocol.commands import Noop
from services.pop3.protocol.replies import ok
from services.pop3.session import Pop3Session


async def perform(session: Pop3Session, command: Noop) -> None:
    session.send(ok())
