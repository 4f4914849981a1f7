"""STARTTLS (RFC 3207): TLS on the same connection; what was said in clear counts no more."""

from services.common.errors import Refused
from services.smtp.protocol.commands import StartTls
from services.smtp.protocol.replies import reply
from services.smtp.protocol.state import Step
from services.smtp.session import SmtpSession


async def perform(session: SmtpSession, command: StartTls) -> None:
    if session.stream.secure:
        raise Refused("TLS_ACTIVE", "TLS is already active")
    context = session.service.tls
    if context is None:
        raise Refused("TLS_UNAVAILABLE", "TLS is not available")
    if session.engine.buffered:
        # Somebody in between may have put these octets there, to be obeyed inside TLS.
        session.send(reply(554, "5.5.1", "Nothing may follow STARTTLS before TLS is active"))
        session.end()
        return
    await session.reset()
    session.send(reply(220, "2.0.0", "Go ahead"))
    await session.start_tls(context)
    session.hello, session.login = "", None
    session.engine.move(Step.TLS_STARTED)
