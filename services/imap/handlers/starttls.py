"""STARTTLS (RFC 3501 §6.2.1): what was said in clear counts no more."""

from services.common.errors import SyntaxFault
from services.imap.protocol.commands.starttls import StartTls
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: StartTls) -> None:
    context = session.service.tls
    if session.stream.secure:
        raise SyntaxFault("TLS is already active")
    if context is None:
        raise SyntaxFault("TLS is not available")
    session.defer()
    if session.engine.buffered:
        # Somebody in between may have put these octets there, to be obeyed inside TLS.
        session.tagged(b"BAD", "Nothing may follow STARTTLS before TLS is active")
        session.end(b"Octets in clear behind STARTTLS")
        return
    session.tagged(b"OK", "Begin TLS")
    await session.start_tls(context)
