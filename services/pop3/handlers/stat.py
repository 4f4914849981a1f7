"""STAT (RFC 1939 §5): how many messages and octets are not marked as deleted."""

from services.pop3.protocol.commands import Stat
from services.pop3.protocol.replies import ok
from services.pop3.session import Pop3Session


async def perform(session: Pop3Session, command: Stat) -> None:
    maildrop = session.opened.maildrop
    session.send(ok(f"{maildrop.count} {maildrop.octets}"))
