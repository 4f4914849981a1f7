"""ENABLE (RFC 5161): CONDSTORE is what can be enabled; other names are ignored."""

from services.imap.protocol.commands.enable import Enable
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Enable) -> None:
    enabled = b""
    if b"CONDSTORE" in command.capabilities and not session.condstore_enabled:
        session.enable_condstore()
        enabled = b" CONDSTORE"
    session.untagged(b"ENABLED" + enabled)
