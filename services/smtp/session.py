"""One SMTP connection: commands are performed one by one, failures become replies in one place.

`protocol/engine.py` gives the commands and the octets of messages, `handlers/`
performs them; what they share lives here: who said hello, who logged in, and the
mail transaction (`transaction.py`). The listener says which rules hold: on `mx`
anybody may deliver to our users and nobody logs in; on `submission` and
`submissions` nothing goes without a login.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from services.common.errors import Fault, Refused, Unavailable
from services.common.protocol.sasl import Mechanism
from services.common.session import Session, Spawn
from services.common.store_client import StoreClient
from services.common.store_session import StoreSession
from services.common.stream import Stream
from services.smtp.faults import reply_to
from services.smtp.metrics import Metrics
from services.smtp.protocol.engine import BadLine, DataChunk, DataEnd, Engine
from services.smtp.protocol.replies import reply
from services.smtp.protocol.state import State, Step
from services.smtp.recipients import Recipients
from services.smtp.transaction import MAX_RECIPIENTS, Transaction

COMMAND_TIMEOUT = 300.0  # RFC 5321 §4.5.3.2.7
MAX_MISTAKES = 10
MAX_FAILED_LOGINS = 3
MX = "mx"

Handler = Callable[[Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Service:
    """What all connections of a process share."""

    submission: StoreClient  # role submission, or the only role of this process
    mx: StoreClient
    handlers: Mapping[type, Handler]
    recipients: Recipients
    metrics: Metrics
    hostname: str
    tls: ssl.SSLContext | None  # for STARTTLS
    allow_plaintext_auth: bool
    max_message_size: int


class SmtpSession(Session):
    """The state of one connection beyond what its engine holds."""

    __slots__ = (
        "extended",
        "failed_logins",
        "hello",
        "login",
        "mechanism",
        "mistakes",
        "service",
        "transaction",
    )

    engine: Engine

    def __init__(
        self, stream: Stream, spawn: Spawn, service: Service, log: structlog.stdlib.BoundLogger
    ) -> None:
        super().__init__(stream, Engine(service.max_message_size), spawn, log, COMMAND_TIMEOUT)
        self.service = service
        self.hello = ""  # what the client calls itself
        self.extended = False  # it said EHLO
        self.login: StoreSession | None = None
        self.mechanism: Mechanism | None = None  # an AUTH that waits for an answer
        self.transaction: Transaction | None = None
        self.mistakes = self.failed_logins = 0

    @property
    def spawn(self) -> Spawn:
        """Starts work that belongs to this connection's server."""
        return self._spawn

    @property
    def submitting(self) -> bool:
        """Whether this is a mail client's connection, not another server's."""
        return self.stream.listener != MX

    @property
    def store(self) -> StoreClient:
        return self.service.submission if self.submitting else self.service.mx

    @property
    def login_allowed(self) -> bool:
        """Passwords travel inside TLS only, unless the process is told otherwise."""
        return self.submitting and (self.stream.secure or self.service.allow_plaintext_auth)

    # -- events -------------------------------------------------------------------------

    async def on_connect(self) -> None:
        self.send(reply(220, "", f"{self.service.hostname} ESMTP Buuta"))

    async def on_event(self, event: Any) -> None:
        if isinstance(event, BadLine):
            self._bad_line(event)
            return
        if not isinstance(event, DataChunk | DataEnd):
            self.service.metrics.commands(type(event).__name__.upper()).inc()
        try:
            await self.service.handlers[type(event)](self, event)
        except Fault as fault:
            self.answer(fault)

    def _bad_line(self, event: BadLine) -> None:
        """Too many end the connection; malformed recipients must not cost the good ones (RFC 5321 §3.3)."""
        if self.engine.state is State.SASL:
            self.engine.move(Step.SASL_ENDED)
            self.mechanism = None
        transaction = self.transaction
        if event.recipient and transaction is not None and transaction.malformed < MAX_RECIPIENTS:
            transaction.malformed += 1
        else:
            self.mistakes += 1
        if self.mistakes >= MAX_MISTAKES:
            self.send(reply(421, "4.7.0", "Too many mistakes"))
            self.end()
        else:
            self.send(reply_to(event.fault))

    def answer(self, fault: Fault) -> None:
        """The one place where failures become replies."""
        if isinstance(fault, Unavailable):
            self.log.warning("unavailable", cause=str(fault.__cause__ or fault))
            self.service.metrics.unavailable.inc()
        self.send(reply_to(fault))
        if not isinstance(fault, Refused):
            return
        if fault.reason == "SESSION_ENDED":
            self.login = None  # the next MAIL is answered 530, and AUTH is possible again
        elif fault.reason == "WRONG_CREDENTIALS":
            self.failed_logins += 1
            if self.failed_logins >= MAX_FAILED_LOGINS:
                self.end()

    async def reset(self) -> None:
        """Forget the mail transaction (RFC 5321 §4.1.1.5)."""
        if self.transaction is not None:
            await self.transaction.abandon()
            self.transaction = None
        self.engine.move(Step.RESET)

    def end(self) -> None:
        """Read no more; close behind the last reply."""
        self.engine.move(Step.CLOSED)
        self.close()

    # -- the connection -----------------------------------------------------------------

    def in_transaction(self) -> bool:
        return self.transaction is not None

    def on_timeout(self) -> bytes:
        return reply(421, "4.4.2", f"{self.service.hostname} Timeout, closing connection")

    def on_drain(self) -> bytes:
        return reply(421, "4.3.2", f"{self.service.hostname} Service shutting down")

    def on_failure(self) -> bytes:
        return reply(421, "4.3.0", f"{self.service.hostname} Internal error")

    async def on_close(self) -> None:
        if self.transaction is not None:
            await self.transaction.abandon()
