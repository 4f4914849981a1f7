"""AUTHENTICATE (RFC 3501 §6.2.2): PLAIN and LOGIN, with an initial response (RFC 4959)."""

from services.common.errors import Refused, SyntaxFault
from services.common.protocol import sasl
from services.imap.handlers.login import log_in, require_tls
from services.imap.protocol.commands.authenticate import Authenticate
from services.imap.protocol.events import Line
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Authenticate) -> None:
    require_tls(session)
    mechanism = sasl.mechanism(command.mechanism)
    if mechanism is None:
        raise Refused("UNKNOWN_MECHANISM", "The mechanisms are PLAIN and LOGIN")
    initial = sasl.decode_initial(command.initial) if command.initial is not None else None
    await _go_on(session, mechanism, mechanism.start(initial))


async def respond(session: ImapSession, mechanism: sasl.Mechanism, line: Line) -> None:
    """The client's next response, or "*", which cancels."""
    if line.too_long:
        raise SyntaxFault("Response too long")
    await _go_on(session, mechanism, mechanism.respond(sasl.decode(line.data)))


async def _go_on(session: ImapSession, mechanism: sasl.Mechanism, step: sasl.Step) -> None:
    if isinstance(step, sasl.Credentials):
        await log_in(session, step.username, step.password, step.authzid)
        return
    session.send(b"+ %b\r\n" % step.encoded)
    session.pending_line = mechanism
    session.engine.expect_line()
    session.defer()
