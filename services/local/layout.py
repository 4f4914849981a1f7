"""Where a local platform keeps its state and listens, and the secrets it makes for itself.

Everything lives in one folder, which one supervisor at a time may use; the lock
is also held by all children, so that a second one cannot start beside what a killed
supervisor has left behind.
"""

import fcntl
import hashlib
import hmac
import os
import secrets
import socket
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
# Standard ports; those of the operator (metrics) and the store's API are our own.
PORTS = {
    "mx": 25,
    "submission": 587,
    "submissions": 465,
    "pop3": 110,
    "pop3s": 995,
    "imap": 143,
    "imaps": 993,
    "store": 51,
    "store metrics": 91,
    "smtp metrics": 92,
    "pop3 metrics": 93,
    "imap metrics": 94,
}
# The longest path of a Unix socket that every system takes is 103 octets.
MAX_SOCKET_PATH = 100
LOCK_PATIENCE = 15.0  # what a killed supervisor left behind stops meanwhile


class CannotStart(Exception):
    """Why there will be no platform; one line for people."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One local platform."""

    data: Path
    offset: int

    def port(self, name: str) -> int:
        return self.offset + PORTS[name]

    def address(self, name: str) -> str:
        return f"{HOST}:{self.port(name)}"

    @property
    def redis(self) -> Path:
        return self.data / "redis"

    @property
    def bodies(self) -> Path:
        return self.data / "bodies"

    @property
    def certificate(self) -> Path:
        return self.data / "tls" / "cert.pem"

    @property
    def private_key(self) -> Path:
        return self.data / "tls" / "key.pem"

    @property
    def admin_token(self) -> Path:
        return self.data / "admin.token"

    @property
    def demo_made(self) -> Path:
        """There once the demo accounts have been made: they are not made again."""
        return self.data / "demo.made"

    def prepare(self) -> None:
        """Make the folders; nobody else may look into them."""
        for folder in (self.data, self.redis, self.bodies, self.certificate.parent):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.redis, self.bodies):
            folder.chmod(0o700)

    def lock(self, say: Callable[[str], None]) -> int:
        """Take the folder for this process; a file descriptor that holds it while it is open."""
        descriptor = os.open(self.data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline, waiting = time.monotonic() + LOCK_PATIENCE, False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not waiting:
                    say(f"{self.data} is in use by another one; it has {LOCK_PATIENCE:g} s to end")
                    waiting = True
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    text = f"{self.data} is in use by another one: stop it, or set BUUTA_DATA"
                    raise CannotStart(text) from None
                time.sleep(0.2)
            else:
                return descriptor

    def check_ports(self) -> None:
        """Complain about a taken port before anything starts."""
        for name in PORTS:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, self.port(name)))
                except (OSError, OverflowError) as error:
                    text = f"cannot listen on {self.address(name)} ({name}): {error}; set BUUTA_PORT_OFFSET"
                    raise CannotStart(text) from None

    def redis_socket(self) -> Path:
        """In the folder, or in a short one, made here, when its path is too long for a socket."""
        path = self.redis.resolve() / "redis.sock"
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
            return path
        short = self._short_folder()
        with suppress(FileExistsError):  # of one that was killed
            short.mkdir(0o700)
        there = short.lstat()
        if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid() or there.st_mode & 0o077:
            raise CannotStart(f"{short} is not ours alone: remove it, or set BUUTA_DATA to a shorter path")
        return short / "redis.sock"

    def leave_redis_socket(self) -> None:
        """Remove the short folder, if there is one, once Redis has ended."""
        short = self._short_folder()
        with suppress(OSError):
            (short / "redis.sock").unlink(missing_ok=True)
            short.rmdir()

    def _short_folder(self) -> Path:
        """Always the same for a data folder, so that a platform that is killed leaves one at most."""
        name = hashlib.sha256(os.fsencode(self.redis.resolve())).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"buuta-{os.getuid()}-{name}"

    def cluster_key(self) -> str:
        """The key that signs all tokens, made at the first start."""
        path = self.data / "cluster.key"
        if not path.exists():
            write_private(path, secrets.token_hex(32) + "\n")
        return path.read_text().strip()


def layout_from(environ: dict[str, str]) -> Layout:
    """BUUTA_DATA and BUUTA_PORT_OFFSET, or their defaults."""
    text = environ.get("BUUTA_PORT_OFFSET") or "10000"
    if not text.isdecimal() or int(text) + max(PORTS.values()) > 65535:
        raise CannotStart(f"BUUTA_PORT_OFFSET is malformed: {text!r}: a number up to 64000 is needed")
    return Layout(Path(environ.get("BUUTA_DATA") or "./var"), int(text))


def service_token(cluster_key: str, role: str) -> str:
    """What a service of this role shows to the store."""
    return f"{role}:{hmac.new(cluster_key.encode(), role.encode(), hashlib.sha256).hexdigest()}"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    write_whole(path, text, 0o600)


def write_whole(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)  # of a file that a crash has left
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
