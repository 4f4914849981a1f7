"""ID (RFC 2971): who we are; what the client says of itself goes to the log."""

from services.imap.protocol.commands.id import Id
from services.imap.session import ImapSession

LOGGED = {b"name", b"version", b"os"}


async def perform(session: ImapSession, command: Id) -> None:
    said = {
        name.lower().decode(): value.decode("utf-8", "replace")[:100]
        for name, value in command.fields
        if value and name.lower() in LOGGED
    }
    if said:
        session.log.info("client", **{f"client_{name}": value for name, value in said.items()})
    session.untagged(b'ID ("name" "Buuta")')
