"""deploy/docker agrees with the rest of the project, seen without an engine."""

import re
from pathlib import Path

import yaml

from tests.support.processes import MINIO_PACKAGE

DOCKER = Path(__file__).parents[2] / "deploy" / "docker"


def test_minio_is_the_one_that_tests_use() -> None:
    (version,) = re.findall(r"^ARG MINIO_VERSION=(.+)$", (DOCKER / "minio.Dockerfile").read_text(), re.M)
    assert f"github.com/minio/minio@{version}" == MINIO_PACKAGE


def test_compose_publishes_no_secret() -> None:
    """What signs or opens anything comes from files that each platform makes for itself."""
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    named = {name for service in compose["services"].values() for name in service.get("environment", {})}
    secret = {name for name in named if re.search("KEY|TOKEN|PASSWORD|USER", name)}
    assert secret
    assert all(name.endswith("_FILE") for name in secret)
