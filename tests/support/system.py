"""The platform as separate processes that a test may kill, with a proxy on every way between them.

    smtp, pop3, imap ── to_store[i] ── stores[i] ── to_redis[i] ── redis
                                                └── minio

Time limits are short, so that what takes too long fails soon.
"""

import contextlib
import imaplib
import poplib
import shutil
import smtplib
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from buuta.client import Client
from buuta.v1.account_pb2 import CreateAccountRequest, CreateDomainRequest, Password
from services.local.layout import service_token
from tests.support.processes import (
    MinioServer,
    RedisServer,
    Server,
    free_port,
    minio_binary,
    redis_binary,
)
from tests.support.proxy import Mode, Proxy

KEY = "the cluster key of a test"
ROOT = Path(__file__).parents[2]
STORES = 2
_open = build_opener(ProxyHandler({})).open


class Program(Server):
    """One process of a service, ready when it says so."""

    def __init__(self, folder: Path, service: str, **settings: str) -> None:
        self._metrics = free_port()
        env = {
            "PYTHONPATH": str(ROOT),
            "METRICS_LISTEN": f"127.0.0.1:{self._metrics}",
            "HOSTNAME": "mx.example.test",
            "CLUSTER_KEY": KEY,
            "DRAIN_SECONDS": "2",
            "LOG_FORMAT": "console",
        }
        super().__init__(folder, lambda port: [sys.executable, "-m", f"services.{service}"], env | settings)

    def ready(self) -> bool:
        try:
            with _open(f"http://127.0.0.1:{self._metrics}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


class Pop3(poplib.POP3):
    """One that lets go of its socket when the server goes away before its greeting: poplib's does not."""

    file = sock = None

    def __init__(self, host: str, port: int, timeout: float) -> None:
        try:
            super().__init__(host, port, timeout)
        except BaseException:
            self.close()
            raise


class System:
    """All of it. `start` and `stop` once; `heal` puts right what a test has broken."""

    def __init__(self, folder: Path) -> None:
        self.redis = RedisServer(folder / "redis", redis_binary())
        self.minio = MinioServer(folder / "minio", minio_binary())
        self.to_redis = [Proxy(self.redis.port) for _ in range(STORES)]
        self.store_ports = [free_port() for _ in range(STORES)]
        self.to_store = [Proxy(port) for port in self.store_ports]
        self.stores = [self._store(folder / f"store{place}", place) for place in range(STORES)]
        self.ports = {name: free_port() for name in ("mx", "submission", "imap", "pop3")}
        self.smtp = self._front_end(
            folder / "smtp",
            "smtp",
            SERVICE_TOKEN=service_token(KEY, "submission"),
            SERVICE_TOKEN_MX=service_token(KEY, "mx"),
            LISTEN_MX=self._listen("mx"),
            LISTEN_SUBMISSION=self._listen("submission"),
        )
        self.imap = self._front_end(folder / "imap", "imap", LISTEN_IMAP=self._listen("imap"))
        self.pop3 = self._front_end(folder / "pop3", "pop3", LISTEN_POP3=self._listen("pop3"))

    def _store(self, folder: Path, place: int) -> Program:
        return Program(
            folder,
            "store",
            LISTEN=f"127.0.0.1:{self.store_ports[place]}",
            REDIS_URL=f"redis://127.0.0.1:{self.to_redis[place].port}/0",
            REDIS_TIMEOUT="1.5",
            S3_ENDPOINT=self.minio.endpoint,
            S3_ACCESS_KEY=self.minio.ACCESS_KEY,
            S3_SECRET_KEY=self.minio.SECRET_KEY,
            S3_BUCKET="chaos",
            DEFAULT_DOMAIN="example.test",
        )

    def _front_end(self, folder: Path, name: str, **settings: str) -> Program:
        common = {
            "STORE_ENDPOINTS": ",".join(f"127.0.0.1:{proxy.port}" for proxy in self.to_store),
            "STORE_TIMEOUT": "6",
            "SERVICE_TOKEN": service_token(KEY, name),
            "ALLOW_PLAINTEXT_AUTH": "true",
        }
        return Program(folder, name, **common | settings)

    def _listen(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"

    @property
    def servers(self) -> list[Server]:
        """In the order in which they start."""
        return [self.redis, self.minio, *self.stores, self.smtp, self.imap, self.pop3]

    def start(self) -> None:
        for server in self.servers:
            server.start()
        with self.admin() as client:
            client.accounts.CreateDomain(CreateDomainRequest(name="example.test"))

    def heal(self) -> None:
        """Everything runs and every way is open."""
        for proxy in (*self.to_store, *self.to_redis):
            proxy.set(Mode.OPEN)
        for server in self.servers:
            assert server.process is not None
            if server.process.poll() is None:
                server.resume()
            else:
                server.start()
        for server in self.servers:
            server.wait_ready()

    def stop(self) -> None:
        for server in reversed(self.servers):
            server.stop()
        for proxy in (*self.to_store, *self.to_redis):
            proxy.close()

    def log(self) -> str:
        """The last lines of every process."""
        return "\n".join((server.folder / "log").read_text()[-3000:] for server in self.servers)

    def stores_through(self, mode: Mode) -> None:
        for proxy in self.to_store:
            proxy.set(mode)

    def redis_through(self, mode: Mode) -> None:
        for proxy in self.to_redis:
            proxy.set(mode)

    # -- Redis's files ------------------------------------------------------------------

    def copy_redis(self, to: Path) -> None:
        """What is on its disk now; nobody must write meanwhile."""
        shutil.copytree(self.redis.folder / "appendonlydir", to)

    def put_redis_back(self, copy: Path | None) -> None:
        """Crash it, replace its files by a copy or by nothing, start it."""
        self.redis.kill()
        shutil.rmtree(self.redis.folder / "appendonlydir")
        if copy is not None:
            shutil.copytree(copy, self.redis.folder / "appendonlydir")
        self.redis.start()

    # -- clients ------------------------------------------------------------------------

    def admin(self, place: int = 0) -> Client:
        """The API of one store, past the proxies before it."""
        return Client(f"127.0.0.1:{self.store_ports[place]}", service_token(KEY, "admin"), timeout=20.0)

    def create_account(self, name: str) -> str:
        """`name`@example.test with its name as password; its id."""
        with self.admin() as client:
            request = CreateAccountRequest(address=f"{name}@example.test", password=Password(clear=name))
            return client.accounts.CreateAccount(request).account.id

    def submit(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.ports["mx"], timeout=60)

    @contextlib.contextmanager
    def imap_client(self, name: str) -> Iterator[imaplib.IMAP4]:
        client = imaplib.IMAP4("127.0.0.1", self.ports["imap"], timeout=60)
        try:
            client.login(f"{name}@example.test", name)
            yield client
        finally:
            with contextlib.suppress(OSError):  # it may be gone
                client.shutdown()

    @contextlib.contextmanager
    def pop3_client(self, name: str) -> Iterator[poplib.POP3]:
        client = Pop3("127.0.0.1", self.ports["pop3"], timeout=60)
        try:
            client.user(f"{name}@example.test")
            client.pass_(name)
            yield client
        finally:
            client.close()
