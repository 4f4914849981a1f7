"""What is in the images, what is not, and what a container says when its settings are wrong."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import pytest

from tests.deploy.containers.engine import Box, image

pytestmark = pytest.mark.containers
SERVICES = ("smtp", "pop3", "imap", "store")
# Nothing listens or answers there: these settings are complete, and the service waits.
FRONT_END = {"STORE_ENDPOINTS": "store:10051", "SERVICE_TOKEN": "imap:token"}
COMPLETE = {
    "smtp": FRONT_END | {"LISTEN_MX": "0.0.0.0:25"},
    "pop3": FRONT_END | {"LISTEN_POP3": "0.0.0.0:110"},
    "imap": FRONT_END | {"LISTEN_IMAP": "0.0.0.0:143"},
    "store": {
        "REDIS_URL": "redis://redis:6379/0",
        "S3_ENDPOINT": "http://minio:9000",
        "S3_ACCESS_KEY": "key",
        "S3_SECRET_KEY": "secret",
        "CLUSTER_KEY": "a key for tests only",
    },
}
# What would build or install software, by path or in PATH, and what pip was told.
UNWANTED = r"""
for tool in pip pip3 cc gcc g++ c++ clang ld as make go wget curl git; do command -v $tool; done
find / -xdev \( -name ensurepip -o -name 'pip*' -o -name setuptools -o -name '*.whl' -o -name secrets \) \
    \( -path '*/python3*' -o -path '/usr/share/*' -o -path '/run/*' -o -path '/etc/*' \) \
    -not -name 'pip*.py*' -not -name 'pipes*' -not -path '*/asyncio/*' 2>/dev/null
true
"""


@contextmanager
def started(service: str, env: dict[str, str], **extra: object) -> Iterator[Box]:
    box = Box(service, env, **extra)
    try:
        box.start()
        yield box
    finally:
        box.remove()


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_its_service_alone(engine: docker.DockerClient, service: str) -> None:
    with started(service, COMPLETE[service]) as box:
        code, output = box.run("ls", "/app/services")
        assert code == 0
        assert set(output.split()) == {"__init__.py", "__pycache__", "common", service}
        modules = (
            "redis",
            "minio",
            "argon2",
            "grpc_tools",
            "pytest",
            "pip",
            "ensurepip",
            "setuptools",
            "Cython",
        )
        own = ("redis", "minio", "argon2") if service == "store" else ()
        code, output = box.run("python", "-c", "import services.common.mime.whole")
        assert code == 0, f"the scanner is not compiled: {output}"
        for module in modules:
            code, output = box.run("python", "-c", f"import {module}")
            assert (code == 0) == (module in own), f"{module}: {output}"
        assert box.run("sh", "-c", UNWANTED) == (0, "")
        assert box.state()["Running"], box.log()


@pytest.mark.parametrize("service", [*SERVICES, "minio"])
def test_an_image_says_what_it_is(engine: docker.DockerClient, service: str) -> None:
    attributes = engine.images.get(image(service)).attrs
    config = attributes["Config"]
    labels = {name.rpartition(".")[2]: text for name, text in config["Labels"].items()}
    assert labels["title"] == f"buuta-{service}"
    assert all(labels[name] for name in ("description", "vendor", "version"))
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"]
    told = json.dumps([attributes["Config"], engine.images.get(image(service)).history()])
    assert "PIP_" not in told
    assert "GOPROXY" not in told


def without(service: str, variable: str) -> tuple[str, dict[str, str], str]:
    return service, {name: text for name, text in COMPLETE[service].items() if name != variable}, variable


def wrong(service: str, variable: str, text: str) -> tuple[str, dict[str, str], str]:
    return service, COMPLETE[service] | {variable: text}, variable


@pytest.mark.parametrize(
    ("service", "env", "variable"),
    [
        *(without("store", variable) for variable in COMPLETE["store"]),
        wrong("store", "REDIS_URL", "redis:6379"),
        wrong("store", "S3_ENDPOINT", "minio:9000"),
        wrong("store", "CLUSTER_KEY", "short"),
        wrong("store", "ROLES", "cook"),
        wrong("store", "LISTEN", "10051"),
        without("imap", "STORE_ENDPOINTS"),
        without("imap", "SERVICE_TOKEN"),
        without("imap", "LISTEN_IMAP"),
        wrong("imap", "TLS_CERT_FILE", "/nowhere.pem"),
        wrong("imap", "LOG_LEVEL", "loud"),
        wrong("pop3", "LISTEN_POP3", "0.0.0.0:99999"),
        wrong("smtp", "MAX_MESSAGE_SIZE", "large"),
        wrong("smtp", "STORE_ENDPOINTS", "store"),
    ],
)
def test_a_wrong_setting_ends_it_at_once(
    engine: docker.DockerClient, service: str, env: dict[str, str], variable: str
) -> None:
    """One line that names it, and the exit code of a misconfiguration."""
    with started(service, env) as box:
        assert box.container.wait(timeout=60)["StatusCode"] == 2, box.log()
        (line,) = box.log().splitlines()
        assert variable in line
