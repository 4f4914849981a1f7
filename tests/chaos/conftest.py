"""One system for all tests of failures; each has accounts of its own and leaves it whole."""

import re
from collections.abc import Iterator

import pytest

from tests.chaos.support import User
from tests.support.system import System


@pytest.fixture(scope="session")
def whole_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("system"))
    try:
        system.start()
        yield system
    finally:
        system.stop()


@pytest.fixture
def system(whole_system: System) -> Iterator[System]:
    yield whole_system
    whole_system.heal()


@pytest.fixture
def user(system: System, request: pytest.FixtureRequest) -> User:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return User(system, name, system.create_account(name))
