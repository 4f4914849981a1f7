"""LOGIN (RFC 3501 §6.2.3), and what AUTHENTICATE shares with it: from credentials to a session."""

from services.common.errors import Fault, Refused
from services.imap.protocol.commands.login import Login
from services.imap.session import ImapSession

WRONG = {"WRONG_CREDENTIALS", "PERMISSION_DENIED"}


async def perform(session: ImapSession, command: Login) -> None:
    require_tls(session)
    await log_in(session, _text(command.username), command.password)


def require_tls(session: ImapSession) -> None:
    """Refuse to hear a password in clear (RFC 8314 §3)."""
    if not session.login_allowed:
        raise Refused("TLS_REQUIRED", "Passwords travel inside TLS only: use STARTTLS first")


async def log_in(session: ImapSession, username: str, password: bytes, authzid: str = "") -> None:
    """Check the credentials, answer with what is possible now."""
    logins = session.service.metrics.logins
    try:
        store = await session.client.login(username, password, session.stream.peer, authzid)
    except Fault as fault:
        reason = fault.reason if isinstance(fault, Refused) else "UNAVAILABLE"
        logins(reason).inc()
        session.log.info("login failed", reason=reason)
        if reason in WRONG:
            session.failed_logins += 1
        raise
    logins("ok").inc()
    session.log.info("login", account=store.account)
    session.logged_in(store)
    session.ok("Logged in", b"CAPABILITY " + session.capabilities())


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise Refused("WRONG_CREDENTIALS", "Wrong name or password") from None
