"""MAIL (RFC 5321 §4.1.1.2): who sends, and whether they may."""

from services.common.errors import Refused
from services.smtp.protocol.commands import Mail
from services.smtp.protocol.replies import reply
from services.smtp.protocol.state import Step
from services.smtp.session import SmtpSession
from services.smtp.transaction import Transaction


async def perform(session: SmtpSession, command: Mail) -> None:
    path = command.reverse_path
    if session.submitting:
        if session.login is None:
            raise Refused("AUTH_REQUIRED", "Authentication required")
        own = {session.login.address, *session.login.aliases}
        # The null path is for notices such as read receipts (RFC 8098 §3).
        if path is not None and path.address not in own:
            raise Refused("SENDER_NOT_OWNED", "You may not send from this address")
    if command.size > session.service.max_message_size:
        raise Refused("MESSAGE_TOO_LARGE", "The message is too large")
    session.transaction = Transaction(
        session.store, session.login, session.spawn, path.path if path is not None else ""
    )
    session.engine.move(Step.SENDER_TAKEN)
    session.send(reply(250, "2.1.0", "Sender ok"))
