"""AUTH (RFC 5034), with the one mechanism PLAIN (RFC 4616): at once or after an empty challenge."""

from services.common.errors import Refused
from services.common.protocol.sasl import Challenge, Plain, decode, decode_initial
from services.pop3.login import log_in, require_tls
from services.pop3.protocol.commands import Auth, Mechanisms, SaslResponse
from services.pop3.protocol.replies import END, challenge, ok
from services.pop3.protocol.state import Step
from services.pop3.session import Pop3Session


async def perform(session: Pop3Session, command: Auth) -> None:
    require_tls(session)
    if command.mechanism != Plain.name:
        raise Refused("MECHANISM_UNKNOWN", "Only the mechanism PLAIN is offered")
    if command.initial is None:
        session.engine.move(Step.CHALLENGE_SENT)
        session.send(challenge(b""))
    else:
        await _plain(session, decode_initial(command.initial))


async def list_mechanisms(session: Pop3Session, command: Mechanisms) -> None:
    """AUTH alone."""
    require_tls(session)
    session.send(ok("Mechanisms") + b"PLAIN\r\n" + END)


async def respond(session: Pop3Session, command: SaslResponse) -> None:
    """The answer to the challenge, or `*`, which cancels."""
    session.engine.move(Step.LOGIN_FAILED)
    await _plain(session, decode(command.line))


async def _plain(session: Pop3Session, response: bytes) -> None:
    step = Plain().start(response)
    assert not isinstance(step, Challenge), "PLAIN is one response"
    await log_in(session, step.username, step.password, step.authzid)
