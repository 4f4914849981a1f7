"""AUTH (RFC 4954), with PLAIN (RFC 4616) and LOGIN: on submission only, inside TLS only."""

from services.common.errors import Fault, Refused
from services.common.protocol.sasl import Challenge, Credentials, decode, decode_initial, mechanism
from services.common.protocol.sasl import Step as SaslStep
from services.smtp.faults import REPLIES, LoginUnavailable
from services.smtp.protocol.commands import Auth, SaslResponse
from services.smtp.protocol.replies import reply
from services.smtp.protocol.state import Step
from services.smtp.session import SmtpSession


async def perform(session: SmtpSession, command: Auth) -> None:
    if not session.submitting:
        raise Refused("AUTH_NOT_OFFERED", "There is no authentication here")
    if session.login is not None:
        raise Refused("ALREADY_AUTHENTICATED", "Already authenticated")
    if not session.login_allowed:
        raise Refused("TLS_REQUIRED", "Passwords travel inside TLS only: use STARTTLS first")
    session.mechanism = mechanism(command.mechanism)
    if session.mechanism is None:
        raise Refused("MECHANISM_UNKNOWN", "PLAIN and LOGIN are offered")
    initial = decode_initial(command.initial) if command.initial is not None else None
    await _go_on(session, session.mechanism.start(initial))


async def respond(session: SmtpSession, command: SaslResponse) -> None:
    """The answer to a challenge, or `*`, which cancels."""
    assert session.mechanism is not None, "the engine gives responses behind a challenge only"
    try:
        step = session.mechanism.respond(decode(command.line))
    except Fault:
        session.mechanism = None
        session.engine.move(Step.SASL_ENDED)
        raise
    await _go_on(session, step)


async def _go_on(session: SmtpSession, step: SaslStep) -> None:
    if isinstance(step, Challenge):
        session.engine.move(Step.CHALLENGE_SENT)
        session.send(b"334 " + step.encoded + b"\r\n")
        return
    session.mechanism = None
    session.engine.move(Step.SASL_ENDED)
    await _log_in(session, step)


async def _log_in(session: SmtpSession, credentials: Credentials) -> None:
    logins = session.service.metrics.logins
    try:
        session.login = await session.store.login(
            credentials.username, credentials.password, session.stream.peer, credentials.authzid
        )
    except Fault as fault:
        reason = fault.reason if isinstance(fault, Refused) else "UNAVAILABLE"
        logins(reason).inc()
        session.log.info("login failed", reason=reason)
        told = _told(fault)
        if told is fault:
            raise
        raise told from (fault.__cause__ or fault)
    logins("ok").inc()
    session.log.info("login", account=session.login.account)
    session.send(reply(235, "2.7.0", "Authentication successful"))


def _told(fault: Fault) -> Fault:
    """What the client hears of a failed login: temporary, but for wrong credentials (RFC 4954 §6)."""
    if isinstance(fault, Refused):
        if fault.reason == "PERMISSION_DENIED":
            return Refused("IDENTITY_DENIED", fault.text)
        if fault.reason in REPLIES:
            return fault
    return LoginUnavailable(fault.text)
