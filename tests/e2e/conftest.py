"""One running platform for all end-to-end tests, and an account of its own for each."""

import re
from collections.abc import Iterator

import pytest

from tests.support.platform import Platform
from tests.support.processes import redis_binary


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    redis_binary()
    platform = Platform(tmp_path_factory.mktemp("platform"))
    platform.start(MAX_MESSAGE_SIZE="30M")
    yield platform
    assert platform.stop() == 0, platform.log()


@pytest.fixture
def user(platform: Platform, request: pytest.FixtureRequest) -> str:
    """The address of an account that is new; its local part is its password."""
    return platform.create_account(re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-"))
