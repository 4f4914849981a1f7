"""The container engine of this machine, and the images under test.

Images are built by deploy/docker/build.sh, so what can be set there (BASE, CA_FILE, …)
can be set here. REDIS_IMAGE replaces the official Redis. Each container runs as in
production: with what its image says, a root file system that nobody can write, and
no capability.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound
from docker.models.containers import Container
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from tests.support.processes import missing

ROOT = Path(__file__).parents[3]
TAG = os.environ.get("TAG", "dev")
REDIS_IMAGE = os.environ.get("REDIS_IMAGE", "redis:7.4-bookworm")
PATIENCE = 180.0
HARDENED: dict[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}


def until(what: str, done: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + patience
    while not done():
        assert time.monotonic() < deadline, f"not in {patience:.0f} seconds: {what}"
        time.sleep(0.2)


@contextlib.contextmanager
def engine() -> Iterator[docker.DockerClient]:
    """The engine; the test is skipped without one, in CI it fails."""
    if not shutil.which("docker"):
        missing("docker")
    asked = subprocess.run(["docker", "version"], capture_output=True, text=True)
    if asked.returncode:  # the library would leave a socket open
        missing(f"a container engine ({asked.stderr.strip()})")
    client = docker.from_env(timeout=300)
    with contextlib.closing(client):
        # Testcontainers' own cleaner is an image too: without a registry the tests clean up alone.
        if not testcontainers_config.ryuk_disabled:
            testcontainers_config.ryuk_disabled = not available(client, testcontainers_config.ryuk_image)
        yield client


def available(client: docker.DockerClient, image: str) -> bool:
    """Whether an image is here, or can be had."""
    try:
        client.images.get(image)
    except ImageNotFound:
        try:
            client.images.pull(image)
        except DockerException:
            return False
    return True


def build_images() -> None:
    """All of ours; the layers that have not changed are there already."""
    script = ROOT / "deploy" / "docker" / "build.sh"
    built = subprocess.run([script], capture_output=True, text=True, env={**os.environ, "TAG": TAG})
    assert built.returncode == 0, built.stderr


def image(service: str) -> str:
    return REDIS_IMAGE if service == "redis" else f"buuta/{service}:{TAG}"


class Box:
    """One container, which can be killed, started, paused and made anew on the same volumes."""

    def __init__(
        self,
        service: str,
        env: dict[str, str],
        network: Network | None = None,
        aliases: tuple[str, ...] = (),
        ports: tuple[int, ...] = (),
        volumes: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        self.service, self.started = service, False
        self.box = DockerContainer(image(service), env=env, **{**HARDENED, **extra})
        if network is not None:
            self.box.with_network(network).with_network_aliases(*aliases)
        self.box.with_tmpfs_mount("/tmp")
        for port in ports:  # on the loopback only, wherever there is room
            self.box.ports[f"{port}/tcp"] = ("127.0.0.1",)
        for source, target in (volumes or {}).items():
            self.box.with_volume_mapping(source, target, "rw" if target == "/data" else "ro")

    @property
    def container(self) -> Container:
        container = self.box.get_wrapped_container()
        assert container is not None
        return container

    def start(self) -> None:
        self.box.start()
        self.started = True

    def remove(self) -> None:
        self.box.stop()
        self.started = False

    def replace(self) -> None:
        """kill -9, away with the container, and a new one on the same volumes."""
        self.container.kill()
        self.remove()
        self.start()

    def state(self) -> dict[str, Any]:
        self.container.reload()
        state: dict[str, Any] = self.container.attrs["State"]
        return state

    def healthy(self) -> bool:
        """What the image's own health check found last."""
        return bool(self.state()["Health"]["Status"] == "healthy")

    def port(self, inside: int) -> int:
        """Where a port of the container is on the loopback; another one after each start."""
        self.container.reload()
        return int(self.container.ports[f"{inside}/tcp"][0]["HostPort"])

    def run(self, *command: str) -> tuple[int, str]:
        """Exit code and output of a command inside."""
        code, output = self.container.exec_run(list(command))
        return int(code), output.decode()

    def log(self) -> str:
        return self.container.logs().decode()
