"""RCPT (RFC 5321 §4.1.1.3): a recipient is one of our users, or is refused. There is no relaying."""

from services.common.errors import Fault, Refused
from services.smtp.protocol.commands import Rcpt
from services.smtp.protocol.replies import reply
from services.smtp.protocol.state import Step
from services.smtp.session import SmtpSession
from services.smtp.transaction import MAX_RECIPIENTS, Recipient


async def perform(session: SmtpSession, command: Rcpt) -> None:
    transaction = session.transaction
    assert transaction is not None, "the engine lets RCPT through behind MAIL only"
    outcomes = session.service.metrics.recipients
    try:
        if len(transaction.recipients) >= MAX_RECIPIENTS:
            raise Refused("TOO_MANY_RECIPIENTS", "Too many recipients")
        account = await _resolve(session, command)
    except Fault as fault:
        outcomes(fault.reason if isinstance(fault, Refused) else "UNAVAILABLE").inc()
        raise
    outcomes("ok").inc()
    transaction.recipients.append(Recipient(command.mailbox, account))
    session.engine.move(Step.RECIPIENT_TAKEN)
    session.send(reply(250, "2.1.5", "Recipient ok"))


async def _resolve(session: SmtpSession, command: Rcpt) -> str:
    try:
        recipients = session.service.recipients
        return await recipients.account(session.store, session.login, command.mailbox.address)
    except Refused as refused:
        if refused.reason != "DOMAIN_UNKNOWN":
            raise
        if session.submitting:
            raise Refused("RELAY_LATER", "Mail to other domains cannot be sent from here yet") from refused
        raise Refused("DOMAIN_UNKNOWN", "Relaying denied") from refused
