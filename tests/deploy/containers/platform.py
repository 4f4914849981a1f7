"""The whole platform in containers on a private network: two of everything that may be two."""

import contextlib
import random
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import docker
import trustme
from testcontainers.core.network import Network

from buuta.client import Client
from buuta.errors import AlreadyExists
from buuta.v1.account_pb2 import CreateAccountRequest, CreateDomainRequest, Password
from services.store.tokens import service_token
from tests.deploy.containers.engine import Box, until
from tests.deploy.flow import Flow, flowing

DOMAIN = "example.test"
METRICS = 9090
STORES = ("store-1", "store-2")
FRONT_ENDS = ("smtp-1", "smtp-2", "pop3-1", "pop3-2", "imap-1", "imap-2")
SERVERS = ("redis", "minio")
# As in compose.yaml.
REDIS = "redis-server --dir /data --appendonly yes --appendfsync always --save '' --protected-mode no"
LISTEN = {
    "smtp": {"LISTEN_MX": 25, "LISTEN_SUBMISSION": 587, "LISTEN_SUBMISSIONS": 465},
    "pop3": {"LISTEN_POP3": 110, "LISTEN_POP3S": 995},
    "imap": {"LISTEN_IMAP": 143, "LISTEN_IMAPS": 993},
}
ALIASES = {"smtp": ("mx", "submission"), "pop3": ("pop3",), "imap": ("imap",), "store": ("store",)}
ROLE = {"smtp": "submission", "pop3": "pop3", "imap": "imap"}


class Platform:
    """All containers by name, the network and volumes they share, and a client beside them."""

    def __init__(self, engine: docker.DockerClient, folder: Path, network: Network) -> None:
        self.engine, self.folder, self.network = engine, folder, network
        self.key, self.s3_secret = secrets.token_hex(16), secrets.token_hex(16)
        self.name = f"buuta-test-{secrets.token_hex(4)}"
        self.certificate = folder / "tls.crt"
        self._write_certificate()
        self.boxes: dict[str, Box] = {
            "redis": self._server("redis", {}, command=REDIS, user="999:999"),
            "minio": self._server(
                "minio", {"MINIO_ROOT_USER": "buuta", "MINIO_ROOT_PASSWORD": self.s3_secret}
            ),
        }
        for name in STORES:
            self.boxes[name] = Box("store", self.store_env(), network, ("store",), (10051, METRICS))
        for name in FRONT_ENDS:
            service = name.partition("-")[0]
            ports = (*LISTEN[service].values(), METRICS)
            self.boxes[name] = Box(
                service,
                self.front_end_env(service),
                network,
                ALIASES[service],
                ports,
                volumes={str(folder): "/tls"},
            )
        self.client = Box(
            "imap", {"CA": self.certificate.read_text()}, network, entrypoint=["sleep", "infinity"]
        )

    def _write_certificate(self) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost", "mx", "submission", "pop3", "imap")
        key = self.folder / "tls.key"
        issued.private_key_pem.write_to_path(key)
        issued.cert_chain_pems[0].write_to_path(self.certificate)
        authority.cert_pem.write_to_path(self.certificate, append=True)
        self.folder.chmod(0o755)
        for file in (key, self.certificate):
            file.chmod(0o644)  # the services' user is nobody on this machine

    def _server(self, service: str, env: dict[str, str], **extra: str) -> Box:
        volumes = {f"{self.name}-{service}": "/data"}
        return Box(service, env, self.network, (service,), volumes=volumes, **extra)

    # -- settings -----------------------------------------------------------------------

    def store_env(self) -> dict[str, str]:
        return {
            "LISTEN": "0.0.0.0:10051",
            "METRICS_LISTEN": f"0.0.0.0:{METRICS}",
            "REDIS_URL": "redis://redis:6379/0",
            "S3_ENDPOINT": "http://minio:9000",
            "S3_ACCESS_KEY": "buuta",
            "S3_SECRET_KEY": self.s3_secret,
            "CLUSTER_KEY": self.key,
        }

    def front_end_env(self, service: str) -> dict[str, str]:
        env = {variable: f"0.0.0.0:{port}" for variable, port in LISTEN[service].items()}
        env |= {
            "METRICS_LISTEN": f"0.0.0.0:{METRICS}",
            "STORE_ENDPOINTS": "store:10051",
            "SERVICE_TOKEN": service_token(self.key, ROLE[service]),
            "TLS_CERT_FILE": "/tls/tls.crt",
            "TLS_KEY_FILE": "/tls/tls.key",
        }
        if service == "smtp":
            env["SERVICE_TOKEN_MX"] = service_token(self.key, "mx")
        return env

    # -- life ---------------------------------------------------------------------------

    def start(self, names: Sequence[str]) -> None:
        for name in names:
            self.boxes[name].start()

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            self.boxes[name].remove()

    def ready(self, name: str) -> bool:
        return self.answers(name, "/readyz")

    def alive(self, name: str) -> bool:
        return self.answers(name, "/healthz")

    def answers(self, name: str, path: str) -> bool:
        url = f"http://127.0.0.1:{self.boxes[name].port(METRICS)}{path}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False

    def all_ready(self) -> None:
        for name in (*STORES, *FRONT_ENDS):
            until(f"{name} is ready", lambda name=name: self.ready(name))

    # -- accounts and mail --------------------------------------------------------------

    def create_account(self, name: str) -> str:
        """`name`@example.test with its name as password; the address."""
        address = f"{name}@{DOMAIN}"
        store = f"127.0.0.1:{self.boxes['store-1'].port(10051)}"
        with Client(store, service_token(self.key, "admin"), timeout=120) as client:
            with contextlib.suppress(AlreadyExists):
                client.accounts.CreateDomain(CreateDomainRequest(name=DOMAIN))
            client.accounts.CreateAccount(
                CreateAccountRequest(address=address, password=Password(clear=name))
            )
        return address

    def traffic(self, name: str) -> AbstractContextManager[Flow]:
        """Mail to and from a new account, from a container beside the platform."""
        address = self.create_account(name)
        return flowing(["docker", "exec", "-i", self.client.container.id], address, name)


@contextlib.contextmanager
def platform(engine: docker.DockerClient, folder: Path) -> Iterator[Platform]:
    """Not started yet; everything is gone afterwards."""
    with Network() as network:
        made = Platform(engine, folder, network)
        try:
            yield made
        finally:
            for box in (made.client, *made.boxes.values()):
                box.remove()
            for volume in engine.volumes.list(filters={"name": made.name}):
                volume.remove()


def shuffled(names: Sequence[str]) -> list[str]:
    return random.sample(names, len(names))
