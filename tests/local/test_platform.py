"""`python -m services.local` as a user meets it: mail goes in and comes out, and survives what happens."""

import contextlib
import imaplib
import os
import poplib
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buuta.client import Client
from buuta.v1.account_pb2 import ListAccountsRequest
from services.local.layout import service_token
from tests.support.processes import MinioServer, free_port, redis_binary

PATIENCE = 90.0
PORTS = (25, 587, 465, 110, 995, 143, 993, 51, 91, 92, 93, 94)


def free_offset() -> int:
    """An offset at which all ports of a platform are free right now."""
    for offset in range(20000 + os.getpid() % 100 * 300, 60000, 1000):
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


class Platform:
    """One platform in its own folder, which can be started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.offset = folder, folder / "var", free_offset()
        self.process: subprocess.Popen[bytes] | None = None

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

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.data / "tls" / "cert.pem")

    def deliver(self, subject: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.offset + 25, timeout=30) as server:
            text = f"From: bob@example.test\r\nSubject: {subject}\r\n\r\nText\r\n"
            server.sendmail("someone@elsewhere.test", ["alice@example.test"], text)

    def subjects(self, port: int = 0) -> list[str]:
        """Of alice's messages, by IMAP inside TLS."""
        port = port or self.offset + 993
        client = imaplib.IMAP4_SSL("localhost", port, ssl_context=self.tls, timeout=30)
        client.login("alice@example.test", "alice")
        client.select("INBOX", readonly=True)
        _, found = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        client.logout()
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


def until(condition: Callable[[], object], text: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, text()
        time.sleep(0.1)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    redis_binary()
    platform = Platform(tmp_path)
    platform.start()
    yield platform
    if not platform.ended():
        platform.stop()


def test_mail_by_every_protocol(platform: Platform) -> None:
    with smtplib.SMTP("localhost", platform.offset + 587, timeout=30) as server:
        server.starttls(context=platform.tls)
        server.login("bob@example.test", "bob")
        server.sendmail("bob@example.test", ["alice@example.test"], "Subject: submitted\r\n\r\nText\r\n")
    platform.deliver("delivered")
    assert platform.subjects() == ["submitted", "delivered"]
    maildrop = poplib.POP3_SSL("localhost", platform.offset + 995, context=platform.tls, timeout=30)
    maildrop.user("alice@example.test")
    maildrop.pass_("alice")
    assert maildrop.stat()[0] == 2
    maildrop.quit()
    token = (platform.data / "admin.token").read_text().strip()
    with Client(f"127.0.0.1:{platform.offset + 51}", token) as client:
        accounts = client.accounts.ListAccounts(ListAccountsRequest()).accounts
    assert [account.address for account in accounts] == ["alice@example.test", "bob@example.test"]
    assert platform.stop() == 0


def test_nothing_is_lost_by_a_stop_or_a_crash(platform: Platform) -> None:
    platform.deliver("one")
    assert platform.stop(signal.SIGTERM) == 0
    platform.start()
    assert platform.subjects() == ["one"]
    platform.deliver("two")
    platform.stop(signal.SIGKILL)
    platform.start()
    assert platform.subjects() == ["one", "two"]


@pytest.mark.parametrize("name", ["redis", "store", "imap"])
def test_a_child_that_dies_comes_back(platform: Platform, name: str) -> None:
    platform.deliver("one")
    first = platform.child(name)
    os.kill(first, signal.SIGKILL)
    until(lambda: "starts again" in platform.log(), platform.log)

    def works() -> bool:
        try:
            return platform.subjects() == ["one"]
        except (OSError, imaplib.IMAP4.error):
            return False

    until(works, platform.log)
    assert platform.child(name) != first
    assert platform.stop() == 0


def test_a_second_one_on_the_same_folder_is_refused(platform: Platform) -> None:
    environment = {**os.environ, "BUUTA_DATA": str(platform.data), "BUUTA_PORT_OFFSET": str(free_offset())}
    second = subprocess.run(
        [sys.executable, "-m", "services.local"], env=environment, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "in use" in second.stderr


def test_a_second_store_and_front_end_are_the_same_system(platform: Platform) -> None:
    platform.deliver("one")
    key = (platform.data / "cluster.key").read_text().strip()
    store, imaps = f"127.0.0.1:{free_port()}", free_port()
    redis = f"unix://{platform.data}/redis/redis.sock?db=0"
    tls = {"TLS_CERT_FILE": f"{platform.data}/tls/cert.pem", "TLS_KEY_FILE": f"{platform.data}/tls/key.pem"}
    with (
        service(
            "store",
            platform.folder,
            LISTEN=store,
            REDIS_URL=redis,
            BODIES_DIR=f"{platform.data}/bodies",
            CLUSTER_KEY=key,
        ),
        service(
            "imap",
            platform.folder,
            LISTEN_IMAPS=f"127.0.0.1:{imaps}",
            STORE_ENDPOINTS=store,
            SERVICE_TOKEN=service_token(key, "imap"),
            **tls,
        ),
    ):

        def reads() -> bool:
            try:
                return platform.subjects(imaps) == ["one"]
            except (OSError, imaplib.IMAP4.error):
                return False

        until(reads, platform.log)
        platform.deliver("two")
        assert platform.subjects(imaps) == ["one", "two"]


def test_bodies_in_s3(tmp_path: Path, minio: MinioServer) -> None:
    platform = Platform(tmp_path)
    keys = {"S3_ACCESS_KEY": minio.ACCESS_KEY, "S3_SECRET_KEY": minio.SECRET_KEY}
    platform.start(S3_ENDPOINT=minio.endpoint, S3_BUCKET="local-platform", **keys)
    try:
        platform.deliver("one")
        assert platform.subjects() == ["one"]
        assert not list((platform.data / "bodies").iterdir())
    finally:
        assert platform.stop() == 0
