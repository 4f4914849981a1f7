"""Mail traffic against the services, from a container beside them. It needs nothing but Python 3.11.

`python traffic.py ADDRESS PASSWORD` sends numbered messages by mx and submission,
each until it is acknowledged, and meanwhile reads by IMAP and POP3. It prints a line
per acknowledgement. When its input ends it stops, reads the mailbox by both protocols,
and prints what it knows as JSON: `acked`, `imap`, `pop3` (lists of subjects). What no
client may ever be told ends it at once, with exit code 1. CA in the environment is the
certificate to trust.
"""

import imaplib
import json
import os
import poplib
import smtplib
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

TIMEOUT = 60.0
PATIENCE = 300.0  # for what must work in the end
PAUSE = 0.1
# What a mail server may say while a part of it is away: RFC 5530, RFC 3206, RFC 2449, a farewell, nothing.
TEMPORARY = ("[UNAVAILABLE]", "[SYS/TEMP]", "[IN-USE]", "* BYE", "-ERR EOF")
T = TypeVar("T")


class Fault(Exception):
    """A client was told something final that is not true."""


class Traffic:
    """One mailbox and what is known of it."""

    def __init__(self, address: str, password: str) -> None:
        self.address, self.password = address, password
        self.tls = ssl.create_default_context(cadata=os.environ["CA"])
        self.stop = threading.Event()
        self.acked: list[str] = []
        self.lock = threading.Lock()

    def acknowledge(self, subject: str) -> None:
        with self.lock:
            self.acked.append(subject)
            print(subject, flush=True)

    # -- in -----------------------------------------------------------------------------

    def mx(self) -> smtplib.SMTP:
        server = smtplib.SMTP("mx", 25, timeout=TIMEOUT)
        server.starttls(context=self.tls)
        return server

    def submission(self) -> smtplib.SMTP:
        server = smtplib.SMTP("submission", 587, timeout=TIMEOUT)
        server.starttls(context=self.tls)
        server.login(self.address, self.password)
        return server

    def submissions(self) -> smtplib.SMTP:
        server = smtplib.SMTP_SSL("submission", 465, timeout=TIMEOUT, context=self.tls)
        server.login(self.address, self.password)
        return server

    def send(self, connect: Callable[[], smtplib.SMTP], name: str) -> None:
        """Message after message on one connection, a new one after ten and after each failure."""
        number, server = 0, None
        while not self.stop.is_set():
            subject = f"{name}-{number}"
            message = f"Message-ID: <{subject}@{name}>\r\nSubject: {subject}\r\n\r\n{'text ' * 200}\r\n"
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    server = server or connect()
                    server.sendmail(self.address, [self.address], message)
                    break
                except smtplib.SMTPException as error:
                    check_smtp(error)
                except OSError:
                    pass
                close(server)
                server = None
                if time.monotonic() > deadline:
                    raise Fault(f"{subject} was not taken in {PATIENCE:.0f} seconds")
                time.sleep(PAUSE)
            self.acknowledge(subject)
            number += 1
            if number % 10 == 0:
                close(server)
                server = None
            time.sleep(PAUSE)
        close(server)

    # -- out ----------------------------------------------------------------------------

    def imap(self, connect: Callable[[], imaplib.IMAP4]) -> list[str]:
        with connect() as client:
            client.login(self.address, self.password)
            ok(client.select("INBOX", readonly=True))
            parts = ok(client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
            return [part[1].decode().split()[1] for part in parts if isinstance(part, tuple)]

    def imap_starttls(self) -> imaplib.IMAP4:
        client = imaplib.IMAP4("imap", 143, timeout=TIMEOUT)
        client.starttls(self.tls)
        return client

    def imaps(self) -> imaplib.IMAP4:
        return imaplib.IMAP4_SSL("imap", 993, ssl_context=self.tls, timeout=TIMEOUT)

    def pop3_stls(self) -> poplib.POP3:
        client = poplib.POP3("pop3", 110, timeout=TIMEOUT)
        client.stls(self.tls)
        return client

    def pop3s(self) -> poplib.POP3:
        return poplib.POP3_SSL("pop3", 995, context=self.tls, timeout=TIMEOUT)

    def pop3(self, connect: Callable[[], poplib.POP3], look: Callable[[poplib.POP3], T]) -> T:
        client = connect()
        try:
            client.user(self.address)
            client.pass_(self.password)
            found = look(client)
            client.quit()
        finally:
            client.close()
        return found

    def read_imap(self) -> None:
        """Look again and again: everything acknowledged before must be there."""
        while not self.stop.is_set():
            with self.lock:
                before = set(self.acked)
            found = attempt(lambda: self.imap(self.imaps))
            if found is not None and (gone := before - set(found)):
                raise Fault(f"IMAP does not show {sorted(gone)[:5]}")
            time.sleep(PAUSE)

    def read_pop3(self) -> None:
        while not self.stop.is_set():
            with self.lock:
                before = len(self.acked)
            found = attempt(lambda: self.pop3(self.pop3s, lambda client: client.stat()[0]))
            if found is not None and found < before:
                raise Fault(f"POP3 shows {found} messages, {before} were acknowledged")
            time.sleep(PAUSE)

    # -- all of it ----------------------------------------------------------------------

    def guard(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        """A thread; what ends it other than `stop` is a fault, which ends the program."""

        def run() -> None:
            try:
                work(*arguments)
            except Exception as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(1)  # whoever waits for the next acknowledgement would wait for ever

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def run(self) -> None:
        threads = [
            self.guard(self.send, self.mx, "mx"),
            self.guard(self.send, self.submission, "submission"),
            self.guard(self.send, self.submissions, "submissions"),
            self.guard(self.read_imap),
            self.guard(self.read_pop3),
        ]
        sys.stdin.read()
        self.stop.set()
        for thread in threads:
            thread.join()
        known = {
            "acked": self.acked,
            "imap": surely(lambda: self.imap(self.imap_starttls)),
            "pop3": surely(lambda: self.pop3(self.pop3_stls, subjects)),
        }
        print(json.dumps(known), flush=True)


def close(server: smtplib.SMTP | None) -> None:
    if server is not None:
        server.close()


def check_smtp(error: smtplib.SMTPException) -> None:
    """A temporary refusal or a lost connection is what may happen; a final one is a Fault."""
    replies = list(error.recipients.values()) if isinstance(error, smtplib.SMTPRecipientsRefused) else []
    if isinstance(error, smtplib.SMTPResponseException):
        replies.append((error.smtp_code, error.smtp_error))
    if any(code >= 500 for code, _ in replies):
        raise Fault(f"SMTP refused for good: {replies}")


def ok(answer: tuple[str, list[Any]]) -> list[Any]:
    """The data of an IMAP command that must not be refused."""
    kind, data = answer
    if kind != "OK":
        raise imaplib.IMAP4.error(str(data))
    return data


def subjects(client: poplib.POP3) -> list[str]:
    heads = [b"\n".join(client.top(number, 0)[1]) for number in range(1, client.stat()[0] + 1)]
    return [head.partition(b"Subject: ")[2].split()[0].decode() for head in heads]


def attempt(look: Callable[[], T]) -> T | None:
    """What it returns; None when it failed as it may; a Fault when it may not."""
    try:
        return look()
    except (imaplib.IMAP4.abort, OSError, EOFError):
        return None
    except (imaplib.IMAP4.error, poplib.error_proto) as error:
        if not any(word in str(error) for word in TEMPORARY):
            raise Fault(str(error)) from None
        return None


def surely(look: Callable[[], T]) -> T:
    """What it returns at last."""
    deadline = time.monotonic() + PATIENCE
    while (found := attempt(look)) is None:
        if time.monotonic() > deadline:
            raise Fault("the mailbox cannot be read")
        time.sleep(1)
    return found


if __name__ == "__main__":
    Traffic(*sys.argv[1:]).run()
