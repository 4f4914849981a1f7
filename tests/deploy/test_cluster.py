"""The dev overlay on a real cluster: it comes up by itself, mail flows, whatever dies loses nothing.

The tests build on each other and run in this order. Without KUBECONFIG they are
skipped, in CI never.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buuta.v1.account_pb2 import CreateAccountRequest, CreateDomainRequest, Password
from tests.deploy import cluster
from tests.deploy.cluster import NAMESPACE, all_ready, inside, kubectl, pods, ready, restarts, scale, until
from tests.deploy.flow import flowing
from tests.support.processes import missing

pytestmark = pytest.mark.cluster
SERVICES = ("mx", "submission", "pop3", "imap", "store", "collect")
KINDS = (*SERVICES, "redis", "minio")
FRONT_ENDS = ("deployment/mx", "deployment/submission", "deployment/pop3", "deployment/imap")
STORES = ("deployment/store", "deployment/collect")
DOMAIN = "example.test"


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The overlay's folder; what it made is gone afterwards, whatever happened."""
    if not os.environ.get("KUBECONFIG"):
        missing("a Kubernetes cluster (KUBECONFIG)")
    if cluster.exists("namespace", NAMESPACE):
        pytest.fail(f"the namespace {NAMESPACE} is in use: delete it first")
    folder = cluster.overlay(tmp_path_factory.mktemp("overlay"))
    yield folder
    kubectl("delete", "-k", str(folder), "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="module")
def platform(overlay: Path) -> Path:
    """Applied, ready, with a domain, and with a client's pod beside it."""
    kubectl("apply", "-k", str(overlay))
    all_ready()
    assert restarts() == {}, "everything waits for what it needs"
    cluster.start_client(overlay)
    with cluster.administrator() as client:
        client.accounts.CreateDomain(CreateDomainRequest(name=DOMAIN))
    return overlay


@contextmanager
def traffic(name: str) -> Iterator[None]:
    """Mail of a new account flows before, during and after the block, and none is lost or doubled."""
    address = f"{name}@{DOMAIN}"
    with cluster.administrator() as client:
        client.accounts.CreateAccount(CreateAccountRequest(address=address, password=Password(clear=name)))
    with flowing(("kubectl", "-n", NAMESPACE, "exec", "-i", "client", "--"), address, name):
        yield


def test_everything_becomes_ready(platform: Path) -> None:
    """All of it was applied at once, on an empty cluster."""
    found = {pod["metadata"]["labels"][cluster.COMPONENT] for pod in pods()}
    assert found == set(KINDS)
    assert all(ready(pod) for pod in pods())


def test_mail_goes_in_and_out_through_the_services(platform: Path) -> None:
    with traffic("alice"):
        pass


def test_whatever_starts_first(platform: Path) -> None:
    """Front ends before the store, the store before Redis and MinIO: each waits, not ready; none dies."""
    scale(dict.fromkeys(cluster.workloads(), 0))
    until("everything is gone", lambda: not pods())
    for some in (FRONT_ENDS, STORES):
        scale(dict.fromkeys(some, 1))
        until(f"{', '.join(some)} run", lambda some=some: all(map(running, some)))
    scale(dict.fromkeys(("statefulset/redis",), 1))
    until("Redis is ready", lambda: running("statefulset/redis") and all(map(ready, pods("redis"))))
    assert not any(ready(pod) for each in STORES for pod in pods(each.partition("/")[2]))
    scale(dict.fromkeys(("statefulset/minio",), 1))
    kubectl("apply", "-k", str(platform))
    all_ready()
    assert restarts() == {}
    with traffic("bob"):
        pass


def running(workload: str) -> bool:
    """Whether its pods are past their start-up probes."""
    found = pods(workload.partition("/")[2])
    states = [pod["status"].get("containerStatuses", []) for pod in found]
    return bool(found) and all(state and state[0].get("started") for state in states)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pod_is_deleted_under_load(platform: Path, kind: str) -> None:
    with traffic(f"without-{kind}"):
        metadata = pods(kind)[0]["metadata"]
        name, uid = metadata["name"], metadata["uid"]
        inside("delete", "pod", name, "--wait=false")
        query = ("get", "pod", name, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}")
        until(f"{name} is gone", lambda: inside(*query) != uid)
        all_ready()


def test_a_rolling_restart_of_everything_finishes(platform: Path) -> None:
    def served() -> set[str]:
        return {pod["metadata"]["uid"] for kind in SERVICES for pod in pods(kind)}

    before = served()
    with traffic("rolling"):
        inside("rollout", "restart", "deployment")
        all_ready()
        until("the old pods are gone", lambda: not served() & before)


def test_delete_leaves_nothing(platform: Path) -> None:
    kubectl("delete", "-k", str(platform), "--wait=false")
    until("the namespace is gone", lambda: not cluster.exists("namespace", NAMESPACE))

    def claims() -> list[str]:
        volumes = json.loads(kubectl("get", "persistentvolumes", "-o", "json"))["items"]
        owners = [volume["spec"].get("claimRef", {}).get("namespace") for volume in volumes]
        return [owner for owner in owners if owner == NAMESPACE]

    until("the volumes are gone", lambda: not claims())
