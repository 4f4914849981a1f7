"""Engines with the least of a session around them: every command succeeds, and its state follows.

A driver gives all events that pieces of octets have led to. What may differ
with the pieces and means the same is made equal: octets of messages are joined,
those of a message or a line that is refused are left out.
"""

from collections.abc import Callable, Iterable
from typing import Any

from services.imap.protocol import events as imap_events
from services.imap.protocol.commands.authenticate import Authenticate
from services.imap.protocol.commands.close import Close
from services.imap.protocol.commands.idle import Idle
from services.imap.protocol.commands.login import Login
from services.imap.protocol.commands.logout import Logout
from services.imap.protocol.commands.select import Select
from services.imap.protocol.commands.starttls import StartTls
from services.imap.protocol.commands.unselect import Unselect
from services.imap.protocol.engine import Engine as ImapEngine
from services.imap.protocol.state import State as ImapState
from services.pop3.protocol import commands as pop3
from services.pop3.protocol.engine import Engine as Pop3Engine
from services.pop3.protocol.state import State as Pop3State
from services.pop3.protocol.state import Step as Pop3Step
from services.smtp.protocol import commands as smtp
from services.smtp.protocol.engine import BadLine, DataChunk, DataEnd
from services.smtp.protocol.engine import Engine as SmtpEngine
from services.smtp.protocol.state import State as SmtpState
from services.smtp.protocol.state import Step as SmtpStep

Driver = Callable[[Iterable[bytes]], list[Any]]
MAX_MESSAGE = 1000


def imap(pieces: Iterable[bytes]) -> list[Any]:
    engine, found, waiting = ImapEngine(MAX_MESSAGE), list[Any](), list[object]()
    for piece in pieces:
        engine.receive_data(piece)
        while (event := engine.next_event()) is not None:
            if isinstance(event, imap_events.LiteralChunk) and isinstance(
                found[-1], imap_events.LiteralChunk
            ):
                event = imap_events.LiteralChunk(found.pop().data + event.data)
            if isinstance(event, imap_events.Line) and event.too_long:
                event = imap_events.Line(b"", too_long=True)
            found.append(event)
            _imap_follow(engine, event, waiting)
    return [*found, engine.state]


def _imap_follow(engine: ImapEngine, event: imap_events.Event, waiting: list[object]) -> None:
    command = event.command if isinstance(event, imap_events.Received) else None
    if isinstance(event, imap_events.AppendStart):
        if event.size > MAX_MESSAGE:
            engine.refuse_append()
        else:
            engine.accept_append()
    elif isinstance(event, imap_events.BadCommand) and event.fatal:
        engine.close()
    elif isinstance(event, imap_events.Line) and isinstance(waiting.pop(), Authenticate):
        command = Login(b"", b"")
    if isinstance(command, Idle) or (isinstance(command, Authenticate) and command.initial is None):
        waiting.append(command)
        engine.expect_line()
    elif isinstance(command, Login | Authenticate):
        engine.state = ImapState.AUTHENTICATED
        engine.raise_limits()
    elif isinstance(command, Select):
        engine.state = ImapState.SELECTED
    elif isinstance(command, Close | Unselect):
        engine.state = ImapState.AUTHENTICATED
    elif isinstance(command, Logout | StartTls):
        engine.close()


SMTP_STEPS: dict[type, SmtpStep] = {
    smtp.Ehlo: SmtpStep.HELLO,
    smtp.Helo: SmtpStep.HELLO,
    smtp.Mail: SmtpStep.SENDER_TAKEN,
    smtp.Rcpt: SmtpStep.RECIPIENT_TAKEN,
    smtp.Data: SmtpStep.DATA_STARTED,
    DataEnd: SmtpStep.RESET,
    smtp.Rset: SmtpStep.RESET,
    smtp.SaslResponse: SmtpStep.SASL_ENDED,
    smtp.StartTls: SmtpStep.CLOSED,
    smtp.Quit: SmtpStep.CLOSED,
}


def smtp_mail(pieces: Iterable[bytes]) -> list[Any]:
    engine, found, message = SmtpEngine(MAX_MESSAGE), list[Any](), b""
    for piece in pieces:
        engine.receive_data(piece)
        while (event := engine.next_event()) is not None:
            if isinstance(event, DataChunk):
                message += event.octets
                continue
            if isinstance(event, DataEnd):
                found.append(message if event.problem is None else event.problem)
                message = b""
                event = DataEnd(0, event.problem)
            found.append(repr(event) if isinstance(event, BadLine) else event)
            if isinstance(event, smtp.Auth):
                engine.move(SmtpStep.SASL_ENDED if event.initial else SmtpStep.CHALLENGE_SENT)
            elif isinstance(event, BadLine) and engine.state is SmtpState.SASL:
                engine.move(SmtpStep.SASL_ENDED)
            elif type(event) in SMTP_STEPS:
                engine.move(SMTP_STEPS[type(event)])
    return [*found, engine.state]


POP3_STEPS: dict[type, Pop3Step] = {
    pop3.User: Pop3Step.USER_ACCEPTED,
    pop3.Pass: Pop3Step.LOGGED_IN,
    pop3.SaslResponse: Pop3Step.LOGGED_IN,
    pop3.Stls: Pop3Step.TLS_STARTED,
    pop3.Quit: Pop3Step.CLOSED,
}


def pop3_mail(pieces: Iterable[bytes]) -> list[Any]:
    engine, found = Pop3Engine(), list[Any]()
    for piece in pieces:
        engine.receive_data(piece)
        while (event := engine.next_event()) is not None:
            found.append(event)
            if isinstance(event, pop3.Auth):
                engine.move(Pop3Step.LOGGED_IN if event.initial else Pop3Step.CHALLENGE_SENT)
            elif type(event) in POP3_STEPS:
                engine.move(POP3_STEPS[type(event)])
            elif engine.state is Pop3State.SASL:
                engine.move(Pop3Step.LOGIN_FAILED)
    return [*found, engine.state]


DRIVERS: dict[str, Driver] = {"imap": imap, "smtp": smtp_mail, "pop3": pop3_mail}
