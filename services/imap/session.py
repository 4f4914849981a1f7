"""One IMAP connection: commands are performed one by one, outcomes become tagged replies in one place.

`protocol/engine.py` gives the commands, `handlers/` performs them. A handler
says what it has to say with `untagged`, may set the text of its completion
with `ok`, and raises a Fault for NO or BAD. Behind it, and before the tagged
reply, the client hears what others have changed in the selected mailbox, in so
far as the command allows (RFC 3501 §7.4.1).

Hints of the store (`services/common/hints.py`) only mark the view as stale, or
wake a session inside IDLE; all state is read with SyncMailbox. The hints are
subscribed to before the first read, so no change falls between.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from buuta.v1.change_pb2 import Hint
from buuta.v1.mailbox_pb2 import SyncMailboxRequest, SyncMailboxResponse
from services.common.errors import Fault, Refused, SyntaxFault, Unavailable
from services.common.hints import HintHub, Subscription
from services.common.session import Session, Spawn
from services.common.store_client import StoreClient, StoreSession
from services.common.stream import Stream
from services.imap.faults import ENDING, code_of
from services.imap.metrics import Metrics
from services.imap.protocol import events
from services.imap.protocol.capabilities import capabilities
from services.imap.protocol.engine import Engine
from services.imap.protocol.state import State
from services.imap.snapshots import Snapshots
from services.imap.upload import Upload
from services.imap.view import View

LOGIN_TIMEOUT = 60.0
INACTIVITY = 1800.0  # RFC 3501 §5.4: at least 30 minutes
LITERAL_TIMEOUT = 300.0  # a literal that makes no progress
MAX_MISTAKES = 20  # commands that are none, in a row
MAX_FAILED_LOGINS = 3
INBOX = "INBOX"

# These carry sequence numbers that an EXPUNGE among their replies would shift (RFC 3501 §7.4.1).
HOLD_EXPUNGES = frozenset({b"FETCH", b"STORE", b"SEARCH"})

Handler = Callable[[Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Service:
    """What all connections of a process share."""

    client: StoreClient
    hints: HintHub
    handlers: Mapping[type, Handler]  # by event or command
    metrics: Metrics
    hostname: str
    tls: ssl.SSLContext | None  # for STARTTLS
    allow_plaintext_auth: bool
    max_message_size: int
    snapshots: Snapshots = field(default_factory=Snapshots)


@dataclass(slots=True)
class Selected:
    """The mailbox that SELECT or EXAMINE has opened."""

    mailbox_id: int
    name: str  # as of the last sync: others may rename it, and reuse its name
    uidvalidity: int
    read_only: bool
    view: View


class ImapSession(Session):
    """The state of one connection beyond what its engine holds."""

    __slots__ = (
        "_completion",
        "_deferred",
        "_ended",
        "_stale",
        "_store",
        "_subscription",
        "append",
        "command_name",
        "condstore_enabled",
        "failed_logins",
        "mistakes",
        "pending_line",
        "selected",
        "service",
        "tag",
        "upload",
    )

    engine: Engine

    def __init__(
        self, stream: Stream, spawn: Spawn, service: Service, log: structlog.stdlib.BoundLogger
    ) -> None:
        super().__init__(stream, Engine(service.max_message_size), spawn, log, LOGIN_TIMEOUT)
        self.service = service
        self.selected: Selected | None = None
        self.condstore_enabled = False
        self.tag = b"*"  # of the command that is being performed
        self.command_name = b""
        self.pending_line: Any = None  # the command that expects a line of its own: IDLE, AUTHENTICATE
        self.append: events.AppendStart | None = None
        self.upload: Upload | None = None
        self.mistakes = self.failed_logins = 0
        self._store: StoreSession | None = None
        self._subscription: Subscription | None = None
        self._completion: tuple[str, bytes] | None = None
        self._deferred = self._ended = self._stale = False

    # -- for handlers -------------------------------------------------------------------

    @property
    def spawn(self) -> Spawn:
        """Starts work that belongs to this connection's server."""
        return self._spawn

    @property
    def client(self) -> StoreClient:
        return self.service.client

    @property
    def store(self) -> StoreSession:
        """Who calls the store; the engine lets no command through that needs it before login."""
        assert self._store is not None
        return self._store

    @property
    def account(self) -> str:
        return self.store.account

    @property
    def opened(self) -> Selected:
        """The selected mailbox, for commands that the engine lets through in that state only."""
        assert self.selected is not None
        return self.selected

    @property
    def login_allowed(self) -> bool:
        """Passwords travel inside TLS only, unless the process is told otherwise."""
        return self.stream.secure or self.service.allow_plaintext_auth

    def untagged(self, text: bytes) -> None:
        self.send(b"* %b\r\n" % text)

    def ok(self, text: str, code: bytes = b"") -> None:
        """How the command that is being performed completes."""
        self._completion = (text, code)

    def defer(self) -> None:
        """The command's tagged reply comes with a later event."""
        self._deferred = True

    def tagged(self, status: bytes, text: str, code: bytes = b"") -> None:
        coded = b"[%b] " % code if code else b""
        self.send(b"%b %b %b%b\r\n" % (self.tag, status, coded, text.encode("utf-8", "replace")))

    def require_writable(self) -> None:
        if self.opened.read_only:
            raise Refused("READ_ONLY", "The mailbox is open read-only")

    def enable_condstore(self) -> None:
        """Every FETCH tells MODSEQ from now on; the open mailbox tells its highest now (RFC 7162 §3.1)."""
        if self.selected is not None and not self.condstore_enabled:
            highest = self.selected.view.highest_modseq
            self.untagged(b"OK [HIGHESTMODSEQ %d] Highest" % highest)
        self.condstore_enabled = True

    def capabilities(self) -> bytes:
        return capabilities(
            authenticated=self._store is not None,
            starttls=self.service.tls is not None and not self.stream.secure,
            login_allowed=self.login_allowed,
        )

    def logged_in(self, store: StoreSession) -> None:
        self._store = store
        self.timeout = INACTIVITY
        self.engine.state = State.AUTHENTICATED
        self.engine.raise_limits()

    def subscribe(self) -> None:
        """Have hints of the account; before its state is read."""
        if self._subscription is None:
            self._subscription = self.service.hints.subscribe(self.store, self._hinted)

    def select(self, selected: Selected) -> None:
        self.selected = selected
        self.engine.state = State.SELECTED

    def unselect(self) -> None:
        self.selected = None
        self._stale = False
        self.engine.state = State.AUTHENTICATED

    def expect_changes(self) -> None:
        """Something has changed in the selected mailbox: told behind the command that is being performed.

        Or later, when it cannot be read: what a command has done must not be answered with NO.
        """
        self._stale = True

    async def sync(self) -> None:
        """Read what changed in the selected mailbox into the view; the client hears of it later."""
        selected = self.opened
        view = selected.view
        self._stale = False  # before the read: a hint may come meanwhile
        request = SyncMailboxRequest(
            account=self.account,
            mailbox=selected.mailbox_id,
            uidvalidity=selected.uidvalidity,
            incarnation=view.incarnation,
            since_seq=view.seq,
            claim_recent=not selected.read_only,
        )
        try:
            answer: SyncMailboxResponse = await self.client.mailboxes.SyncMailbox(request, session=self.store)
        except Refused as fault:
            if fault.reason == "MAILBOX_NOT_FOUND":
                self.end(b"The selected mailbox has been deleted")
                return
            raise
        except Unavailable:
            self._stale = True
            raise
        if answer.mailbox.uidvalidity != selected.uidvalidity:
            self.end(b"The selected mailbox has been replaced")
            return
        if selected.name == INBOX != answer.mailbox.name:
            # Its messages have another name now and INBOX has other UIDs (RFC 9051 §6.3.6): SELECT tells.
            self.end(b"INBOX has been renamed")
            return
        selected.name = answer.mailbox.name
        view.apply(answer)

    async def refresh(self) -> None:
        """`sync`, if a hint has come since the last one; new messages are told before anything names them."""
        if self._stale and self.selected is not None and not self.closing:
            await self.sync()
            if not self.closing and (said := self.opened.view.take_counts()):
                self.send(said)

    def tell_changes(self, allow_expunge: bool) -> None:
        """Tell what the view knows and the client does not."""
        if self.selected is not None:
            said = self.selected.view.take_responses(allow_expunge, self.condstore_enabled)
            if said:
                self.send(said)

    def end(self, farewell: bytes = b"") -> None:
        """Read no more commands; close behind the last reply."""
        if farewell:
            self.untagged(b"BYE " + farewell)
        self.engine.close()
        self.close()

    # -- events -------------------------------------------------------------------------

    async def on_connect(self) -> None:
        self.untagged(
            b"OK [CAPABILITY %b] %b IMAP ready" % (self.capabilities(), self.service.hostname.encode())
        )

    async def on_event(self, event: Any) -> None:
        if isinstance(event, events.Received):
            self.tag, self.command_name, self.mistakes = event.tag, event.name, 0
            self.service.metrics.commands(event.name.decode()).inc()
            await self.perform(event.command)
        elif isinstance(event, events.ContinueNeeded):
            self.timeout = min(self.timeout, LITERAL_TIMEOUT)
            self.send(b"+ Ready for the literal\r\n")
            return
        elif isinstance(event, events.BadCommand):
            self._mistake(event)
        else:
            await self.perform(event)
        self.timeout = INACTIVITY if self._store is not None else LOGIN_TIMEOUT
        if self.append is not None:
            self.timeout = LITERAL_TIMEOUT

    async def perform(self, subject: Any) -> None:
        """Perform a command, or an event that belongs to one, and say how it went."""
        self._completion, self._deferred = None, False
        try:
            await self.service.handlers[type(subject)](self, subject)
            if not self._deferred:
                await self._complete()
        except Fault as fault:
            self._refuse(fault)

    async def _complete(self) -> None:
        try:
            await self.refresh()
        except Unavailable:
            self.log.info("changes are told later")
        if self.closing:
            return
        self.tell_changes(self.command_name not in HOLD_EXPUNGES)
        text, code = self._completion or (f"{self.command_name.decode()} completed", b"")
        self.tagged(b"OK", text, code)

    def _refuse(self, fault: Fault) -> None:
        """The one place where failures become replies."""
        if isinstance(fault, Refused) and fault.reason in ENDING:
            self.end(b"Log in again: " + fault.text.encode())
            return
        if isinstance(fault, Unavailable):
            self.log.warning("unavailable", cause=str(fault.__cause__ or fault))
            self.service.metrics.unavailable.inc()
        self.tagged(b"BAD" if isinstance(fault, SyntaxFault) else b"NO", fault.text, code_of(fault))
        if self.failed_logins >= MAX_FAILED_LOGINS:
            self.end(b"Too many failed logins")

    def _mistake(self, event: events.BadCommand) -> None:
        self.tag = event.tag
        self.tagged(b"BAD", event.text, event.code)
        self.mistakes += 1
        if event.fatal:
            self.end(event.text.encode())
        elif self.mistakes >= MAX_MISTAKES:
            self.end(b"Too many mistakes")

    # -- changes by others --------------------------------------------------------------

    @property
    def idling(self) -> bool:
        return self.command_name == b"IDLE" and self.pending_line is not None

    def _hinted(self, hint: Hint) -> None:
        if hint.ended:
            self._ended = True
            self.wake()
        elif self.selected is not None:
            view = self.selected.view
            if hint.seq > view.seq or (hint.incarnation and hint.incarnation != view.incarnation):
                self._stale = True
                if self.idling:
                    self.wake()

    async def on_wake(self) -> None:
        if self._ended:
            self.end(b"Log in again: the session has ended")
            return
        if not self.idling:
            return  # the next command's end tells
        try:
            await self.refresh()
        except Refused as fault:
            self._refuse(fault)
        except Unavailable:
            return  # the view stays stale; the next hint or DONE tries again
        if not self.closing:
            self.tell_changes(allow_expunge=True)

    # -- the end ------------------------------------------------------------------------

    def in_transaction(self) -> bool:
        return self.append is not None

    def on_timeout(self) -> bytes:
        return b"* BYE Idle for too long\r\n"

    def on_drain(self) -> bytes:
        return b"* BYE Server is shutting down\r\n"

    def on_failure(self) -> bytes:
        return b"* BYE [UNAVAILABLE] Internal error\r\n"

    async def on_close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
        if self.upload is not None:
            self.upload.cancel()
        if self.idling:
            self.service.metrics.idling.dec()
        self.selected = None
