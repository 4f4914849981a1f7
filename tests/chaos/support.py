"""What tests of failures say and look at: mail that is sent until it is acknowledged, and what arrived."""

import imaplib
import poplib
import re
import smtplib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from buuta.v1.columns_pb2 import MessageSource
from buuta.v1.mailbox_pb2 import ListMailboxesRequest
from buuta.v1.message_pb2 import AppendRequest
from tests.support.platform import until
from tests.support.system import System

# How a client sees that it should come back later; anything else is a failure of the test.
LATER = (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto)


def checked_later(error: BaseException) -> None:
    """Assert that a client is told of nothing worse than a temporary failure."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            codes = [code for code, _ in error.recipients.values()]
        case smtplib.SMTPResponseException():
            codes = [error.smtp_code]
        case imaplib.IMAP4.abort() | OSError() | EOFError() | smtplib.SMTPServerDisconnected():
            return
        case imaplib.IMAP4.error():
            assert "UNAVAILABLE" in str(error), error
            return
        case poplib.error_proto():
            assert "[SYS/TEMP]" in str(error) or "[IN-USE]" in str(error) or "-ERR EOF" in str(error), error
            return
        case _:
            raise error
    assert all(400 <= code < 500 or code == -1 for code in codes), error  # -1: no reply came


@dataclass
class User:
    """One account of the system; its name is its password."""

    system: System
    name: str
    account: str

    @property
    def address(self) -> str:
        return f"{self.name}@example.test"

    def send(self, message: bytes) -> None:
        """One attempt."""
        with self.system.submit() as server:
            server.sendmail("c@example.net", [self.address], message)

    def send_until_taken(self, message: bytes) -> None:
        """As a mail server does: the same message again, until it is acknowledged."""

        def taken() -> bool:
            try:
                self.send(message)
            except LATER as error:
                checked_later(error)
                return False
            return True

        until(taken, self.system.log)

    def messages(self, mailbox: str = "INBOX", store: int = 0) -> int:
        """How many there are, by the API of one store; -1 without such a mailbox."""
        with self.system.admin(store) as client:
            request = ListMailboxesRequest(account=self.account, counts=True)
            found = client.mailboxes.ListMailboxes(request).mailboxes
        return next((each.messages for each in found if each.name == mailbox and each.id), -1)

    def ids(self, mailbox: str = "INBOX") -> list[str]:
        """The Message-IDs, by IMAP, in the order of UIDs."""
        return list(self.by_uid(mailbox).values())

    def by_uid(self, mailbox: str = "INBOX") -> dict[int, str]:
        with self.system.imap_client(self.name) as client:
            kind, said = client.select(mailbox, readonly=True)
            if kind != "OK":
                raise imaplib.IMAP4.error(str(said))
            kind, rows = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
            if kind != "OK":
                raise imaplib.IMAP4.error(str(rows))
        found = {}
        for row in rows:
            if isinstance(row, tuple):
                uid = int(re.search(rb"UID (\d+)", row[0])[1])  # type: ignore[index]
                found[uid] = row[1].decode().partition("<")[2].partition(">")[0]
        return found


def message(name: str, text: str = "Text") -> bytes:
    return f"Message-ID: <{name}>\r\nSubject: {name}\r\n\r\n{text}\r\n".encode()


def fill(system: System, user: User, count: int) -> None:
    """Many small messages by the API."""
    with system.admin() as client:
        for start in range(0, count, 500):
            entries = [
                AppendRequest.Entry(message=MessageSource(inline=b"Subject: %d\r\n\r\n" % number))
                for number in range(start, min(start + 500, count))
            ]
            client.messages.Append(AppendRequest(account=user.account, name="INBOX", entries=entries))


@dataclass
class Load:
    """Deliveries that go on until told to stop, each repeated until it is acknowledged."""

    user: User
    workers: int = 4
    acknowledged: list[str] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> "Load":
        self._stop = threading.Event()
        self._numbers = count()
        self._threads = [threading.Thread(target=self._work) for _ in range(self.workers)]
        for thread in self._threads:
            thread.start()
        return self

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                name = f"{next(self._numbers)}@load.example.net"
                # Some are large enough to be uploaded while they come in.
                text = "x" * 78 + "\r\n"
                self.user.send_until_taken(message(name, text * (1200 if name.startswith("7") else 2)))
                self.acknowledged.append(name)
        except BaseException as failure:
            self.failures.append(failure)

    def more(self, deliveries: int = 10) -> None:
        """Wait until so many more were acknowledged."""
        wanted = len(self.acknowledged) + deliveries
        until(lambda: len(self.acknowledged) >= wanted or self.failures, self.user.system.log)
        if self.failures:
            raise self.failures[0]

    def __exit__(self, *exc: Any) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise self.failures[0]


@dataclass
class Background:
    """One call in a thread of its own; `result` waits for it."""

    call: Callable[[], Any]

    def __post_init__(self) -> None:
        self._outcome: list[Any] = []
        self._failure: list[BaseException] = []
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._outcome.append(self.call())
        except BaseException as failure:
            self._failure.append(failure)

    def result(self) -> Any:
        self._thread.join(120)
        assert not self._thread.is_alive(), "it hangs"
        if self._failure:
            raise self._failure[0]
        return self._outcome[0]


def eventually(user: User, wanted: Callable[[], bool]) -> None:
    """Wait until something can be seen, over temporary failures."""

    def seen() -> bool:
        try:
            return wanted()
        except LATER as error:
            checked_later(error)
            return False

    until(seen, user.system.log)


def refused_for_now(user: User) -> None:
    """Every protocol says that it should be tried later: not "no such user", not an empty mailbox."""
    attempts = (lambda: user.send(message("never@example.net")), user.ids, lambda: _uidl(user))
    for running in [Background(attempt) for attempt in attempts]:
        try:
            said = running.result()
        except LATER as error:
            checked_later(error)
        else:
            raise AssertionError(f"no failure, but {said!r}")


def _uidl(user: User) -> list[bytes]:
    with user.system.pop3_client(user.name) as client:
        lines: list[bytes] = client.uidl()[1]
    return lines


def works(user: User, *expected: str) -> None:
    """Mail comes in and out again, and the mailbox holds what it should."""
    eventually(user, lambda: user.ids() == list(expected))
    user.send_until_taken(message("works@example.net"))
    eventually(user, lambda: user.ids() == [*expected, "works@example.net"])
    eventually(user, lambda: len(_uidl(user)) == len(expected) + 1)
