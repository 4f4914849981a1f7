"""One engine and one platform for all tests in containers."""

from collections.abc import Generator, Iterator

import docker
import pytest

from tests.deploy.containers import engine as engines
from tests.deploy.containers.platform import FRONT_ENDS, SERVERS, STORES, Platform, platform

LOG = 3000  # octets of each container's log that a failure shows


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The engine, with images that are up to date."""
    with engines.engine() as client:
        engines.build_images()
        yield client


@pytest.fixture(scope="session")
def running(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that is up; its tests leave it well."""
    with platform(engine, tmp_path_factory.mktemp("tls")) as made:
        made.start((*SERVERS, *STORES, *FRONT_ENDS))
        made.client.start()
        made.all_ready()
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure comes with what the containers said last."""
    report = yield
    made = [each for each in getattr(item, "funcargs", {}).values() if isinstance(each, Platform)]
    if report.failed:
        for each in made:
            report.sections += [(name, box.log()[-LOG:]) for name, box in each.boxes.items() if box.started]
    return report
