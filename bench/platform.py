"""A whole platform for measuring: `python -m services.local` in a folder of its own, with accounts.

Everything goes through the public API and the mail protocols. The accounts
share one password, hashed once, so that making thousands costs little.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import argon2

from bench import accounting
from buuta.client import Client
from buuta.v1.account_pb2 import BatchCreateAccountsRequest, CreateDomainRequest, Password
from buuta.v1.columns_pb2 import MessageSource
from buuta.v1.message_pb2 import AppendRequest, CopyMessagesRequest

DOMAIN = "bench.test"
PASSWORD = "bench-password"
START_TIMEOUT = 120.0
APPEND_BATCH = 256  # 4 KB each: a megabyte a request
COPY_BATCH = 1024


class Platform:
    """One running platform: its ports, its processes, and short cuts to fill it."""

    def __init__(self, root: int, offset: int, folder: Path, client: Client) -> None:
        self.root, self.offset, self.folder, self.client = root, offset, folder, client
        self._hash = argon2.PasswordHasher().hash(PASSWORD)
        self._accounts = 0

    @property
    def smtp(self) -> int:
        return self.offset + 25

    @property
    def imap(self) -> int:
        return self.offset + 143

    def pid(self, service: str) -> int:
        """The process of one front end, or of the store."""
        return accounting.find(self.root, f"services.{service}")

    def accounts(self, count: int) -> list[tuple[str, str]]:
        """New accounts: (address, id)."""
        made: list[tuple[str, str]] = []
        while len(made) < count:
            entries = []
            for _ in range(min(256, count - len(made))):
                self._accounts += 1
                address = f"b{self._accounts}@{DOMAIN}"
                entries.append(
                    BatchCreateAccountsRequest.Entry(address=address, password=Password(hash=self._hash))
                )
            reply = self.client.accounts.BatchCreateAccounts(BatchCreateAccountsRequest(entries=entries))
            for result in reply.results:
                assert not result.error, result.error
                made.append((result.account.address, result.account.id))
        return made

    def fill(self, account: str, messages: Sequence[bytes], mailbox: str = "INBOX") -> None:
        """Append messages, each of at most 64 KB."""
        for start in range(0, len(messages), APPEND_BATCH):
            batch = messages[start : start + APPEND_BATCH]
            entries = [AppendRequest.Entry(message=MessageSource(inline=octets)) for octets in batch]
            self.client.messages.Append(AppendRequest(account=account, name=mailbox, entries=entries))

    def multiply(self, account: str, source: int, uids: bytes, destination: str, count: int) -> None:
        """Copy messages until `destination` has `count` of them: a large mailbox in seconds."""
        while count > 0:
            part = uids[: 4 * min(count, COPY_BATCH)]
            reply = self.client.messages.CopyMessages(
                CopyMessagesRequest(account=account, mailbox=source, uids=part, destination=destination)
            )
            count -= len(reply.destination_uids) // 4

    def redis_memory(self) -> int:
        """Octets Redis has allocated, all told."""
        for line in self.redis(b"INFO", b"memory").splitlines():
            if line.startswith(b"used_memory:"):
                return int(line.partition(b":")[2])
        raise RuntimeError("no used_memory")

    def redis(self, *words: bytes) -> bytes:
        """The answer to one Redis command, as it comes."""
        with _connect(accounting.title(accounting.find(self.root, "redis-server"))) as connection:
            connection.sendall(b" ".join(words) + b"\r\nQUIT\r\n")
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer


def _connect(title: str) -> socket.socket:
    """To the redis-server whose process title this is."""
    if found := re.search(r"unixsocket:(\S+)", title):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(found[1])
        return connection
    found = re.search(r"127\.0\.0\.1:(\d+)", title)
    if found is None:
        raise RuntimeError(f"where does {title!r} listen?")
    return socket.create_connection(("127.0.0.1", int(found[1])), timeout=10)


@contextmanager
def running(offset: int, folder: Path | None = None) -> Iterator[Platform]:
    """Start a platform, wait until it answers, stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="buuta-bench-") as made:
        data = folder or Path(made)
        env = {
            **os.environ,
            "BUUTA_PORT_OFFSET": str(offset),
            "BUUTA_DATA": str(data),
            "LOG_LEVEL": "warning",
            "ALLOW_PLAINTEXT_AUTH": "true",  # the goals are without TLS
            "MAX_CONNECTIONS_PER_IP": "5000",
        }
        with open(data / "bench.log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "services.local"], env=env, stdout=log, stderr=log
            )
        try:
            with _client(process, offset, data) as client:
                client.accounts.CreateDomain(CreateDomainRequest(name=DOMAIN))
                yield Platform(process.pid, offset, data, client)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _client(process: subprocess.Popen[bytes], offset: int, data: Path) -> Client:
    """The API, as soon as the whole platform says that it is ready."""
    deadline = time.monotonic() + START_TIMEOUT
    while "To try:" not in (log := (data / "bench.log").read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log)
        time.sleep(0.1)
    return Client(f"127.0.0.1:{offset + 51}", (data / "admin.token").read_text().strip())
