"""Whatever starts first: each container waits for what it needs, not ready, and none is started again."""

from collections.abc import Iterator

import docker
import pytest

from tests.deploy.containers.engine import until
from tests.deploy.containers.platform import FRONT_ENDS, SERVERS, STORES, Platform, platform, shuffled

pytestmark = pytest.mark.containers


@pytest.fixture
def stopped(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform of which nothing has ever run."""
    with platform(engine, tmp_path_factory.mktemp("tls")) as made:
        yield made


def wait_unready(made: Platform, names: tuple[str, ...]) -> None:
    """They live, and are not ready."""
    for name in names:
        until(f"{name} lives", lambda name=name: made.alive(name))
        assert not made.ready(name), name


def test_the_needed_comes_last(stopped: Platform) -> None:
    stopped.start(FRONT_ENDS)
    wait_unready(stopped, FRONT_ENDS)
    stopped.start(STORES)
    wait_unready(stopped, STORES)
    stopped.start(("minio",))
    until("MinIO answers", stopped.boxes["minio"].healthy)
    wait_unready(stopped, STORES)
    for name in STORES:
        said = stopped.boxes[name].log().splitlines()
        assert 1 <= len(said) <= 5, "what it waits for, and not again and again"
    stopped.start(("redis",))
    stopped.all_ready()
    assert_none_died(stopped)


def test_any_order(stopped: Platform) -> None:
    order = shuffled((*SERVERS, *STORES, *FRONT_ENDS))
    stopped.start(order)
    stopped.all_ready()
    assert_none_died(stopped)
    stopped.client.start()
    with stopped.traffic("first"):
        pass


def assert_none_died(made: Platform) -> None:
    """No engine restarts them: what runs now is what was started, and nothing went wrong in it."""
    for name, box in made.boxes.items():
        assert box.state()["Running"], f"{name}: {box.log()}"
        assert "Traceback" not in box.log(), name
