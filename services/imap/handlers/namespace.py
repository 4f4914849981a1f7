"""NAMESPACE (RFC 2342): one personal namespace, no prefix."""

from services.imap.protocol.commands.namespace import Namespace
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Namespace) -> None:
    session.untagged(b'NAMESPACE (("" "/")) NIL NIL')
