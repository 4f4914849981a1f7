"""A front end as a process: settings, readiness, greeting, drain, exit codes, the container probe."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import trustme

from tests.common.small_store import Ledger, SmallStore
from tests.support.processes import free_port

SERVICE = [sys.executable, "-m", "tests.common.echo_service"]
PROBE = [sys.executable, "-m", "services.common.probe"]
PATIENCE = 30.0


class Service:
    """The process and where it listens."""

    def __init__(self, folder: Path, **extra: str) -> None:
        self.folder = folder
        self.port, self.tls_port, self.metrics_port = free_port(), free_port(), free_port()
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        self.environment = {
            "PATH": os.environ["PATH"],
            "LISTEN_POP3": f"127.0.0.1:{self.port}",
            "LISTEN_POP3S": f"127.0.0.1:{self.tls_port}",
            "METRICS_LISTEN": f"127.0.0.1:{self.metrics_port}",
            "STORE_ENDPOINTS": f"127.0.0.1:{free_port()}",
            "SERVICE_TOKEN": "pop3:not-for-logs",
            "TLS_CERT_FILE": str(folder / "cert.pem"),
            "TLS_KEY_FILE": str(folder / "key.pem"),
            "LOG_FORMAT": "json",
            "DRAIN_SECONDS": "5",
            **extra,
        }

    @contextmanager
    def running(self) -> Iterator["Service"]:
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(SERVICE, env=self.environment, stderr=log)
        try:
            until(lambda: self.connectable() or self.process.poll() is not None)
            yield self
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()

    def connectable(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def get(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=10) as answer:
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            with closing(error):
                return error.code

    def probe(self, **extra: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, **extra}
        return subprocess.run(PROBE, env=environment, capture_output=True, text=True, check=False)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path).running() as service:
        yield service


def test_serves_probes_and_stops(service: Service) -> None:
    with connect(service.port) as client, client.makefile("rb") as answers:
        assert answers.readline() == b"+OK echo\r\n"
        client.sendall(b"one\r\ntwo\r\n")
        assert answers.readline() + answers.readline() == b"one\r\ntwo\r\n"
        probe = service.probe()
        assert probe.returncode == 0, probe.stderr
        assert service.get("/healthz") == 200
        assert service.get("/metrics") == 200
        assert service.get("/readyz") == 503, "no store is there"
        service.process.send_signal(signal.SIGTERM)
        assert answers.readline() == b"bye\r\n"
        assert answers.read() == b""
    assert service.process.wait(PATIENCE) == 0
    assert service.probe().returncode == 1
    assert '"event":"listening"' in service.log().replace(": ", ":")
    assert "not-for-logs" not in service.log()


def test_a_transaction_finishes_before_the_process_does(service: Service) -> None:
    with connect(service.port) as client, client.makefile("rb") as answers:
        client.sendall(b"wait\r\n")
        assert answers.readline() + answers.readline() == b"+OK echo\r\nwait\r\n"
        service.process.send_signal(signal.SIGTERM)
        until(lambda: service.get("/readyz") == 503 and not service.connectable())
        client.sendall(b"done\r\n")
        assert answers.read() == b"done\r\nbye\r\n"
    assert service.process.wait(PATIENCE) == 0


def test_what_does_not_finish_is_cut(tmp_path: Path) -> None:
    with Service(tmp_path, DRAIN_SECONDS="0.5").running() as service:
        with connect(service.port) as client, client.makefile("rb") as answers:
            client.sendall(b"wait\r\n")
            assert answers.readline() + answers.readline() == b"+OK echo\r\nwait\r\n"
            service.process.send_signal(signal.SIGTERM)
            assert answers.read() == b"", "no farewell in the middle of a transaction"
        assert service.process.wait(PATIENCE) == 0


async def test_ready_with_its_store(tmp_path: Path) -> None:
    async with SmallStore("one", Ledger()) as store:
        with Service(tmp_path, STORE_ENDPOINTS=store.endpoint).running() as service:
            await asyncio.to_thread(until, lambda: service.get("/readyz") == 200)


def test_implicit_tls(tmp_path: Path) -> None:
    with Service(tmp_path).running() as service:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with connect(service.tls_port) as plain, context.wrap_socket(plain) as client:
            assert client.recv(100) == b"+OK echo\r\n"
            assert client.version() in ("TLSv1.2", "TLSv1.3")


def test_probe_behind_trusted_proxies(tmp_path: Path) -> None:
    with Service(tmp_path, TRUSTED_PROXIES="127.0.0.0/8").running() as service:
        assert service.probe().returncode == 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"STORE_ENDPOINTS": ""}, "STORE_ENDPOINTS is not set"),
        ({"STORE_ENDPOINTS": "store"}, "STORE_ENDPOINTS is malformed: 'store'"),
        ({"LISTEN_POP3": "110"}, "LISTEN_POP3 is malformed"),
        ({"TLS_CERT_FILE": ""}, "TLS_CERT_FILE is not set"),
        ({"TLS_KEY_FILE": ""}, "TLS_KEY_FILE is not set"),
        ({"TLS_CERT_FILE": "/nowhere"}, "TLS_CERT_FILE or TLS_KEY_FILE is malformed"),
        ({"LISTEN_POP3": "", "LISTEN_POP3S": ""}, "LISTEN_POP3"),
        ({"LISTEN_POP3": "", "LISTEN_POP3S": "", "STORE_ENDPOINTS": "store.invalid:1"}, "LISTEN_POP3"),
        ({"DRAIN_SECONDS": "soon"}, "DRAIN_SECONDS is malformed"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(
    tmp_path: Path, change: dict[str, str], complaint: str
) -> None:
    service = Service(tmp_path, **change)
    done = subprocess.run(
        SERVICE, env=service.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_exit_code_1(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with socket.create_server(("127.0.0.1", service.port)):
        done = subprocess.run(
            SERVICE, env=service.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert done.returncode == 1
    assert "in use" in done.stderr


CYCLES = """
import gc, weakref
from services.common.run import OBJECTS, spare_the_collector

class Cycle:
    def __init__(self):
        self.me = self

before = len(gc.get_objects())
spare_the_collector()
assert len(gc.get_objects()) < before / 10, "what was there is still looked through"
alive = weakref.WeakSet()
most = 0
for _ in range(20 * OBJECTS):
    alive.add(Cycle())
    most = max(most, len(alive))
assert OBJECTS / 10 < most < 2 * OBJECTS, most
"""


def test_cycles_are_still_collected() -> None:
    """In a process of its own: the interpreter's collector is one for all."""
    done = subprocess.run([sys.executable, "-c", CYCLES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_grpc_knows_what_it_is_told() -> None:
    """The names in `services/__init__.py` belong to gRPC's version; an unknown one is only logged."""
    program = "import services, grpc; grpc.insecure_channel('127.0.0.1:1').close()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
