"""DATA (RFC 5321 §4.1.1.4): 250 only when the message is durable for its recipients."""

import time

from services.common.errors import Fault, Refused, Unavailable
from services.smtp.protocol.commands import Data
from services.smtp.protocol.data import Problem
from services.smtp.protocol.engine import DataChunk, DataEnd
from services.smtp.protocol.replies import reply
from services.smtp.protocol.state import Step
from services.smtp.protocol.trace import Hop, missing_fields, trace_fields
from services.smtp.session import COMMAND_TIMEOUT, SmtpSession
from services.smtp.transaction import Transaction

DATA_TIMEOUT = 180.0  # RFC 5321 §4.5.3.2.5: for each block

PROBLEMS = {
    Problem.BARE_LINE_END: Refused("BARE_LINE_END", "Lines must end in CRLF: a bare CR or LF was found"),
    Problem.TOO_LARGE: Refused("MESSAGE_TOO_LARGE", "The message is too large"),
}


async def perform(session: SmtpSession, command: Data) -> None:
    transaction = _transaction(session)
    hop = _hop(session, transaction)

    def missing(header: bytes) -> bytes:
        return missing_fields(header, hop) if session.submitting else b""

    transaction.begin(trace_fields(transaction.reverse_path, hop), missing)
    session.engine.move(Step.DATA_STARTED)
    session.timeout = DATA_TIMEOUT
    session.send(reply(354, "", "End data with <CR><LF>.<CR><LF>"))


async def chunk(session: SmtpSession, event: DataChunk) -> None:
    """Octets of the message. A failure is told at its end: the client listens only then."""
    transaction = _transaction(session)
    if transaction.failure is None:
        try:
            await transaction.add(event.octets)
        except Fault as fault:
            transaction.failure = fault


async def end(session: SmtpSession, event: DataEnd) -> None:
    """The message is complete: deliver it, and say what became of it."""
    transaction = _transaction(session)
    session.timeout = COMMAND_TIMEOUT
    failure = PROBLEMS[event.problem] if event.problem else transaction.failure
    try:
        if failure is not None:
            raise failure
        await _deliver(session, transaction, event.size)
    except Fault as fault:
        outcome = fault.reason if isinstance(fault, Refused) else "UNAVAILABLE"
        session.service.metrics.messages(outcome).inc()
        session.log.info("message refused", id=transaction.id.hex(), size=event.size, outcome=outcome)
        session.answer(fault)
    await session.reset()


async def _deliver(session: SmtpSession, transaction: Transaction, size: int) -> None:
    outcome = await transaction.deliver()
    for recipient in outcome.gone:
        recipients, address = session.service.recipients, recipient.mailbox.address
        if await recipients.lives(session.store, session.login, address):
            raise Unavailable("The recipient's account was just replaced")
    if len(outcome.gone) == len(transaction.recipients):
        raise Refused("USER_UNKNOWN", "No such user")
    word = "duplicate" if outcome.duplicate else "delivered"
    session.service.metrics.messages(word).inc()
    session.service.metrics.octets.inc(size)
    session.log.info(
        "message accepted",
        id=transaction.id.hex(),
        size=size,
        recipients=len(transaction.recipients),
        gone=len(outcome.gone),
        outcome=word,
    )
    session.mistakes = 0  # of a server that keeps its connection for many messages
    session.send(reply(250, "2.0.0", f"Ok: stored as {transaction.id.hex()}"))


def _transaction(session: SmtpSession) -> Transaction:
    assert session.transaction is not None, "the engine gives message octets inside a transaction only"
    return session.transaction


def _hop(session: SmtpSession, transaction: Transaction) -> Hop:
    single = len(transaction.recipients) == 1
    return Hop(
        hello=session.hello,
        peer=session.stream.peer,
        hostname=session.service.hostname,
        extended=session.extended,
        tls=session.stream.cipher,
        authenticated=session.login is not None,
        id=transaction.id.hex(),
        recipient=transaction.recipients[0].mailbox.path if single else "",
        time=int(time.time()),
    )
