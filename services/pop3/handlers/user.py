"""USER name (RFC 1939 §7): kept until PASS; any name is accepted, so that none can be guessed."""

from services.pop3.login import require_tls
from services.pop3.protocol.commands import User
from services.pop3.protocol.replies import ok
from services.pop3.protocol.state import Step
from services.pop3.session import Pop3Session


async def perform(session: Pop3Session, command: User) -> None:
    require_tls(session)
    # What is not UTF-8 is nobody's name; PASS will say so, as it does for any other.
    session.username = command.name.decode(errors="replace")
    session.engine.move(Step.USER_ACCEPTED)
    session.send(ok("Password?"))
