"""`python -m services.local` as a process of a test: the platform as a user has it."""

import contextlib
import imaplib
import os
import poplib
import random
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from buuta.client import Client
from buuta.v1.account_pb2 import CreateAccountRequest, Password
from tests.support.processes import PORT_RANGE, missing

PATIENCE = 90.0
PORTS = (25, 587, 465, 110, 995, 143, 993, 51, 91, 92, 93, 94)
# imaplib's own limit of 1 MB a line would be met by answers about many messages.
imaplib._MAXLINE = 50_000_000  # type: ignore[attr-defined]


def free_offset() -> int:
    """An offset at which all ports of a platform are free right now."""
    for _ in range(100):
        offset = random.randint(PORT_RANGE[0], PORT_RANGE[1] - max(PORTS))
        sockets = []
        try:
            for port in PORTS:
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", offset + port))
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()
        return offset
    raise RuntimeError("no free ports")


def until(condition: Callable[[], object], text: Callable[[], str] = str, patience: float = PATIENCE) -> None:
    """Wait for a condition; `text` says what is known when it never comes."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, text()
        time.sleep(0.1)


def run_tool(argv: Sequence[str], stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """A mail program of the system, without the proxies that the environment may name."""
    if subprocess.run(["which", argv[0]], capture_output=True, check=False).returncode:
        missing(argv[0])
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(
        argv,
        input=stdin,
        env=kept | environ,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE,
        check=False,
    )


class Platform:
    """One platform in its own folder, which can be started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.offset = folder, folder / "var", free_offset()
        self.process: subprocess.Popen[bytes] | None = None

    # -- the process --------------------------------------------------------------------

    def start(self, **extra: str) -> None:
        own = {"BUUTA_DATA": str(self.data), "BUUTA_PORT_OFFSET": str(self.offset)}
        environment = {**os.environ, **own, **extra}
        (self.folder / "log").write_bytes(b"")
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.local"], env=environment, stdout=log, stderr=log
            )
        until(lambda: "To try:" in self.log() or self.ended(), self.log)
        assert not self.ended(), self.log()

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def child(self, name: str) -> int:
        """The process id of a child."""
        assert self.process is not None
        wanted = b"redis-server" if name == "redis" else f"services.{name}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    words = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if parent == self.process.pid and wanted in words:
                    return int(entry.name)
        raise LookupError(name)

    # -- its mail -----------------------------------------------------------------------

    def port(self, standard: int) -> int:
        return self.offset + standard

    @property
    def certificate(self) -> Path:
        return self.data / "tls" / "cert.pem"

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)

    def admin(self) -> Client:
        """The API with all rights."""
        token = (self.data / "admin.token").read_text().strip()
        return Client(f"127.0.0.1:{self.port(51)}", token)

    def create_account(self, name: str) -> str:
        """`name`@example.test with its name as password; the address."""
        address = f"{name}@example.test"
        with self.admin() as client:
            client.accounts.CreateAccount(
                CreateAccountRequest(address=address, password=Password(clear=name))
            )
        return address

    def deliver(self, subject: str, to: str = "alice@example.test", text: str = "Text\r\n") -> None:
        with smtplib.SMTP("127.0.0.1", self.port(25), timeout=60) as server:
            message = f"From: bob@example.test\r\nSubject: {subject}\r\n\r\n{text}"
            server.sendmail("someone@elsewhere.test", [to], message)

    @contextlib.contextmanager
    def imap(self, user: str = "alice@example.test", port: int = 0) -> Iterator[imaplib.IMAP4_SSL]:
        """A logged-in connection inside TLS."""
        client = imaplib.IMAP4_SSL("localhost", port or self.port(993), ssl_context=self.tls, timeout=60)
        try:
            client.login(user, user.partition("@")[0])
            yield client
        finally:
            with contextlib.suppress(OSError):  # it may have logged out
                client.shutdown()

    @contextlib.contextmanager
    def pop3(self, user: str = "alice@example.test") -> Iterator[poplib.POP3_SSL]:
        """A logged-in connection inside TLS; leaving the block without QUIT removes nothing."""
        client = poplib.POP3_SSL("localhost", self.port(995), context=self.tls, timeout=60)
        try:
            client.user(user)
            client.pass_(user.partition("@")[0])
            yield client
        finally:
            client.close()

    def subjects(self, port: int = 0, user: str = "alice@example.test", mailbox: str = "INBOX") -> list[str]:
        """Of somebody's messages, by IMAP inside TLS."""
        with self.imap(user, port) as client:
            client.select(mailbox, readonly=True)
            _, found = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        return [row[1].decode().split(":")[1].strip() for row in found if isinstance(row, tuple)]


@contextlib.contextmanager
def service(name: str, folder: Path, **environ: str) -> Iterator[None]:
    """A further process of one service, configured by its environment alone."""
    environment = {"PATH": os.environ["PATH"], **environ}
    with open(folder / f"log-{name}", "wb") as log:
        process = subprocess.Popen([sys.executable, "-m", f"services.{name}"], env=environment, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0, (folder / f"log-{name}").read_text()
