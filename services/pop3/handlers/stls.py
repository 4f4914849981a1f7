"""STLS (RFC 2595 §4): TLS on the same connection; what was said in clear counts no more."""

from services.common.errors import Refused
from services.pop3.protocol.commands import Stls
from services.pop3.protocol.replies import err, ok
from services.pop3.protocol.state import Step
from services.pop3.session import Pop3Session


async def perform(session: Pop3Session, command: Stls) -> None:
    if session.stream.secure:
        raise Refused("TLS_REQUIRED", "TLS is already active")
    context = session.service.tls
    if context is None:
        raise Refused("TLS_REQUIRED", "TLS is not available")
    if session.engine.buffered:
        # Somebody in between may have put these octets there, to be obeyed inside TLS.
        session.send(err("Nothing may follow STLS before TLS is active"))
        session.end()
        return
    session.send(ok("Begin TLS"))
    await session.start_tls(context)
    session.username = ""
    session.engine.move(Step.TLS_STARTED)
