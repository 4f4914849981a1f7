"""CAPA (RFC 2449 §5): what works on this connection as it is now.

Capabilities that are valid before the login are announced after it too
(RFC 2449 §5), except STLS, which means "permitted in the current state"
(RFC 2595 §4).
"""

from collections.abc import Iterator

from services.pop3.protocol.commands import Capa
from services.pop3.protocol.replies import END, ok
from services.pop3.session import Pop3Session

ALWAYS = (
    "TOP",
    "UIDL",
    "RESP-CODES",
    "AUTH-RESP-CODE",
    "PIPELINING",
    "EXPIRE NEVER",
    "IMPLEMENTATION Buuta",
)


def capabilities(session: Pop3Session) -> Iterator[str]:
    """One by one, in the order they are listed."""
    yield from ALWAYS
    if session.login_allowed:
        yield "USER"
        yield "SASL PLAIN"
    if session.service.tls is not None and not session.stream.secure and session.transaction is None:
        yield "STLS"


async def perform(session: Pop3Session, command: Capa) -> None:
    lines = "".join(f"{capability}\r\n" for capability in capabilities(session))
    session.send(ok("Capabilities") + lines.encode() + END)
