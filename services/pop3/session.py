"""One POP3 connection: commands are performed one by one, failures become replies in one place.

`protocol/engine.py` gives the commands, `handlers/` performs them, and what
they share lives here: the user's name between USER and PASS, the maildrop of
the TRANSACTION state (`transaction.py`), the counts of mistakes. Nothing is
removed from a mailbox but by QUIT; a connection that ends in any other way
only gives the lock back.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from services.common.errors import Fault, Refused, Unavailable
from services.common.session import Session, Spawn
from services.common.store_client import StoreClient
from services.common.stream import Stream
from services.pop3.faults import code_of
from services.pop3.metrics import Metrics
from services.pop3.protocol.engine import BadLine, Engine
from services.pop3.protocol.replies import SYS_TEMP, err, ok
from services.pop3.protocol.state import State, Step
from services.pop3.transaction import Transaction

INACTIVITY = 600.0  # RFC 1939 §3: at least ten minutes
MAX_MISTAKES = 10  # lines that are no command of this state
MAX_FAILED_LOGINS = 3

Handler = Callable[[Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Service:
    """What all connections of a process share."""

    store: StoreClient
    handlers: Mapping[type, Handler]  # by command
    metrics: Metrics
    hostname: str
    tls: ssl.SSLContext | None  # for STLS
    allow_plaintext_auth: bool


class Pop3Session(Session):
    """The state of one connection beyond what its engine holds."""

    __slots__ = ("failed_logins", "mistakes", "service", "transaction", "username")

    engine: Engine

    def __init__(
        self, stream: Stream, spawn: Spawn, service: Service, log: structlog.stdlib.BoundLogger
    ) -> None:
        super().__init__(stream, Engine(), spawn, log, INACTIVITY)
        self.service = service
        self.username = ""  # given with USER
        self.transaction: Transaction | None = None
        self.mistakes = self.failed_logins = 0

    @property
    def spawn(self) -> Spawn:
        """Starts work that belongs to this connection's server."""
        return self._spawn

    @property
    def login_allowed(self) -> bool:
        """Passwords travel inside TLS only, unless the process is told otherwise."""
        return self.stream.secure or self.service.allow_plaintext_auth

    @property
    def opened(self) -> Transaction:
        """The maildrop, for commands that the engine lets through in TRANSACTION only."""
        assert self.transaction is not None
        return self.transaction

    async def on_connect(self) -> None:
        # No timestamp in angle brackets: there is no APOP (RFC 1939 §7).
        self.send(ok(f"{self.service.hostname} POP3 ready"))

    async def on_event(self, event: Any) -> None:
        if isinstance(event, BadLine):
            self._mistake(event.text)
            return
        self.service.metrics.commands(type(event).__name__.upper()).inc()
        try:
            if self.transaction is not None:
                self.transaction.check()
            await self.service.handlers[type(event)](self, event)
        except Fault as fault:
            self._answer(fault)

    def _mistake(self, text: str) -> None:
        if self.engine.state is State.SASL:
            self.engine.move(Step.LOGIN_FAILED)
        self.mistakes += 1
        if self.mistakes >= MAX_MISTAKES:
            self.send(err("Too many mistakes"))
            self.end()
        else:
            self.send(err(text))

    def _answer(self, fault: Fault) -> None:
        """The one place where failures become replies."""
        if isinstance(fault, Unavailable):
            self.log.warning("unavailable", cause=str(fault.__cause__ or fault))
            self.service.metrics.unavailable.inc()
        self.send(err(fault.text, code_of(fault)))
        if isinstance(fault, Refused) and fault.reason in {"MAILDROP_LOCK_LOST", "SESSION_ENDED"}:
            self.end()

    def login_failed(self) -> None:
        """Wrong credentials; the reply is already on its way up as a fault."""
        self.failed_logins += 1
        if self.failed_logins >= MAX_FAILED_LOGINS:
            self.end()

    def end(self) -> None:
        """Read no more commands; close behind the last reply."""
        self.engine.move(Step.CLOSED)
        self.close()

    # RFC 1939 §3: the autologout says nothing and removes nothing, so `on_timeout` stays silent.

    def on_drain(self) -> bytes:
        return err("Server is shutting down", SYS_TEMP)

    def on_failure(self) -> bytes:
        return err("Internal error", SYS_TEMP)

    async def on_close(self) -> None:
        if self.transaction is not None:
            await self.transaction.release()
