"""RETR msg (RFC 1939 §5): a whole message of the snapshot."""

from contextlib import aclosing

from services.pop3.octets import read_octets, send_octets
from services.pop3.protocol.commands import Retr
from services.pop3.session import Pop3Session


async def perform(session: Pop3Session, command: Retr) -> None:
    maildrop = session.opened.maildrop
    uid, size = maildrop.uid(command.message), maildrop.size(command.message)
    async with aclosing(read_octets(session, uid)) as octets:
        await send_octets(session, f"{size} octets", octets)
