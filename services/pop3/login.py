"""From credentials to the TRANSACTION state; PASS and AUTH both end here."""

from services.common.errors import Fault, Refused
from services.pop3.protocol.replies import ok
from services.pop3.protocol.state import Step
from services.pop3.session import Pop3Session
from services.pop3.transaction import open_transaction

WRONG = frozenset({"WRONG_CREDENTIALS", "FORBIDDEN", "PERMISSION_DENIED"})


def require_tls(session: Pop3Session) -> None:
    """Refuse to hear a password in clear (RFC 8314 §3)."""
    if not session.login_allowed:
        raise Refused("TLS_REQUIRED", "Passwords travel inside TLS only: use STLS first")


async def log_in(session: Pop3Session, username: str, password: bytes, authzid: str = "") -> None:
    """Check the credentials, lock the maildrop, answer."""
    service = session.service
    try:
        login = await service.store.login(username, password, session.stream.peer, authzid)
        transaction = await open_transaction(service.store, login, session.spawn, session.log)
    except Fault as fault:
        reason = fault.reason if isinstance(fault, Refused) else "UNAVAILABLE"
        service.metrics.logins(reason).inc()
        session.log.info("login failed", reason=reason)
        session.username = ""
        session.engine.move(Step.LOGIN_FAILED)
        if reason in WRONG:
            session.login_failed()
        raise
    session.transaction = transaction
    session.engine.move(Step.LOGGED_IN)
    service.metrics.logins("ok").inc()
    session.log.info("login", account=login.account)
    session.send(ok(f"{transaction.maildrop.count} messages"))
