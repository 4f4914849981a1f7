"""deploy/docker/compose.yaml: everything with one command, and all of it there again after the next one."""

import imaplib
import os
import shutil
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from buuta.client import Client
from buuta.errors import Unavailable
from buuta.v1.account_pb2 import CreateAccountRequest, CreateDomainRequest, Password
from tests.deploy.containers.engine import REDIS_IMAGE, ROOT, TAG, until
from tests.support.processes import missing

pytestmark = pytest.mark.containers
TIMEOUT = 60.0
PUBLISHED = (25, 587, 465, 110, 995, 143, 993, 51)
USER = "ann@example.org"
OWN = {
    "store": {"access.key", "admin.token", "cluster.key", "secret.key"},
    "smtp": {"mx.token", "service.token", "tls.crt", "tls.key"},
    "pop3": {"service.token", "tls.crt", "tls.key"},
    "imap": {"service.token", "tls.crt", "tls.key"},
    "minio": {"access.key", "secret.key"},
}


def free_thousand() -> int:
    """A number of thousands where all published ports are free right now."""
    for thousand in range(20, 60):
        sockets = [socket.socket() for _ in PUBLISHED]
        try:
            for each, port in zip(sockets, PUBLISHED, strict=True):
                each.bind(("127.0.0.1", 1000 * thousand + port))
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()
        return thousand
    raise RuntimeError("no free ports")


class Compose:
    """The project of compose.yaml under a name and at ports of its own."""

    def __init__(self, engine: docker.DockerClient, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.thousand, self.name = free_thousand(), f"buuta-test-{os.getpid()}"
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
        if not plugin and not shutil.which("docker-compose"):
            missing("docker compose")
        self.program = ["docker", "compose"] if plugin else ["docker-compose"]

    def run(self, *arguments: str) -> str:
        file = ROOT / "deploy" / "docker" / "compose.yaml"
        own = {"TAG": TAG, "REDIS_IMAGE": REDIS_IMAGE, "BUUTA_PORTS": str(self.thousand)}
        done = subprocess.run(
            [*self.program, "-p", self.name, "-f", file, *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **own},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def port(self, standard: int) -> int:
        return 1000 * self.thousand + standard

    def container(self, service: str) -> Container:
        labels = [f"com.docker.compose.project={self.name}", f"com.docker.compose.service={service}"]
        (found,) = self.engine.containers.list(all=True, filters={"label": labels})
        return found

    def inside(self, service: str, *command: str) -> tuple[int, str]:
        code, output = self.container(service).exec_run(list(command))
        return int(code), output.decode()

    def admin(self) -> Client:
        code, token = self.inside("store", "cat", "/secrets/admin.token")
        assert code == 0
        return Client(f"127.0.0.1:{self.port(51)}", token, timeout=TIMEOUT)

    def serves(self) -> bool:
        try:
            with self.admin() as client:
                client.accounts.CreateDomain(CreateDomainRequest(name="example.org"))
        except Unavailable:
            return False
        return True


@pytest.fixture(scope="module")
def compose(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    made = Compose(engine, tmp_path_factory.mktemp("compose"))
    try:
        made.run("up", "-d")
        until("the store serves", made.serves)
        yield made
    finally:
        made.run("down", "-v", "-t", "30")


def subjects(compose: Compose) -> list[bytes]:
    """By IMAP, with the certificate that the platform has made for itself."""
    code, certificate = compose.inside("imap", "cat", "/secrets/tls.crt")
    assert code == 0
    trust = ssl.create_default_context(cadata=certificate)
    port = compose.port(993)
    with imaplib.IMAP4_SSL("localhost", port, ssl_context=trust, timeout=TIMEOUT) as client:
        client.login(USER, "ann")
        client.select("INBOX", readonly=True)
        _, found = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return [part[1].strip() for part in found if isinstance(part, tuple)]


def answers(compose: Compose) -> bool:
    try:
        subjects(compose)
    except (OSError, imaplib.IMAP4.error):
        return False
    return True


def test_a_mail_and_another_start(compose: Compose) -> None:
    with compose.admin() as client:
        client.accounts.CreateAccount(CreateAccountRequest(address=USER, password=Password(clear="ann")))
    with smtplib.SMTP("127.0.0.1", compose.port(25), timeout=TIMEOUT) as server:
        server.sendmail("someone@elsewhere.test", [USER], "Subject: composed\r\n\r\nText.\r\n")
    assert subjects(compose) == [b"Subject: composed"]
    keys = compose.inside("store", "cat", "/secrets/cluster.key")
    compose.run("down", "-t", "30")
    compose.run("up", "-d")
    until("IMAP answers", lambda: answers(compose))
    assert subjects(compose) == [b"Subject: composed"]
    assert compose.inside("store", "cat", "/secrets/cluster.key") == keys


def test_ports_are_on_the_loopback_only(compose: Compose) -> None:
    found = []
    for container in compose.engine.containers.list(
        filters={"label": f"com.docker.compose.project={compose.name}"}
    ):
        for bindings in container.ports.values():
            found += [(each["HostIp"], int(each["HostPort"])) for each in bindings or []]
    assert sorted(found) == sorted(("127.0.0.1", compose.port(standard)) for standard in PUBLISHED)


def test_each_service_has_its_own_secrets(compose: Compose) -> None:
    for service, own in OWN.items():
        code, output = compose.inside(service, "ls", "/secrets")
        assert (code, set(output.split())) == (0, own), service
    _, key = compose.inside("store", "cat", "/secrets/cluster.key")
    assert len(bytes.fromhex(key)) == 32


def test_front_ends_do_not_reach_what_is_the_stores(compose: Compose) -> None:
    look = "import socket, sys; socket.getaddrinfo(sys.argv[1], 1)"
    for server in ("redis", "minio"):
        assert compose.inside("store", "python", "-c", look, server)[0] == 0
        for service in ("smtp", "pop3", "imap"):
            assert compose.inside(service, "python", "-c", look, server)[0] == 1, service
