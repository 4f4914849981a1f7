"""The dev overlay on the cluster of KUBECONFIG: put on, looked at, talked to from a pod inside, taken off.

Images must be on the cluster's nodes, or where the nodes find them, under the names
of the overlay. TAG is another tag of ours than `dev`; REDIS_IMAGE replaces the official Redis.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from buuta.client import Client
from tests.deploy.manifests import COMPONENT, K8S, PODS, Object, build, named, of_kind

OVERLAY = K8S / "overlays" / "dev"
NAMESPACE = "buuta-dev"
IMAGES = ("smtp", "pop3", "imap", "store", "minio")
PATIENCE = 600.0  # for anything the cluster does by itself on a small and busy machine


def until(what: str, done: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + patience
    while not done():
        assert time.monotonic() < deadline, f"not in {patience:.0f} seconds: {what}"
        time.sleep(1)


def kubectl(*arguments: str, stdin: str = "") -> str:
    """What it prints; AssertionError with what it complains about."""
    done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def inside(*arguments: str, stdin: str = "") -> str:
    """kubectl in the platform's namespace."""
    return kubectl("-n", NAMESPACE, *arguments, stdin=stdin)


def get(*arguments: str) -> Any:
    return json.loads(inside("get", "-o", "json", *arguments))


def exists(kind: str, name: str) -> bool:
    return kubectl("get", kind, name, "--ignore-not-found", "-o", "name") != ""


def overlay(folder: Path) -> Path:
    """The dev overlay with the images of the environment, as a kustomization in `folder`."""
    images = [{"name": f"buuta/{name}", "newTag": os.environ.get("TAG", "dev")} for name in IMAGES]
    if redis := os.environ.get("REDIS_IMAGE"):
        name, _, tag = redis.rpartition(":")
        images.append({"name": "redis", "newName": name, "newTag": tag})
    kustomization = {"resources": [os.path.relpath(OVERLAY, folder.resolve())], "images": images}
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
    return folder


# -- pods -------------------------------------------------------------------------------


def pods(component: str = "") -> list[Object]:
    """Those of the platform that are not on their way out."""
    selector = "app.kubernetes.io/name=buuta" + (f",{COMPONENT}={component}" if component else "")
    found: list[Object] = get("pods", "-l", selector)["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def restarts() -> dict[str, int]:
    """Containers that had to be started again, by pod."""
    counts = {
        pod["metadata"]["name"]: sum(
            each["restartCount"] for each in pod["status"].get("containerStatuses", [])
        )
        for pod in pods()
    }
    return {name: count for name, count in counts.items() if count}


def workloads() -> list[str]:
    return [f"{each['kind'].lower()}/{each['metadata']['name']}" for each in of_kind(build(OVERLAY), *PODS)]


def all_ready() -> None:
    """Every workload has the pods that it wants, of its newest form, and they are ready."""
    for workload in workloads():
        inside("rollout", "status", workload, f"--timeout={PATIENCE:.0f}s")


def scale(replicas: Mapping[str, int]) -> None:
    for workload, count in replicas.items():
        inside("scale", workload, f"--replicas={count}")


# -- from inside and outside ------------------------------------------------------------


def start_client(overlay: Path) -> None:
    """A pod that is none of the platform's: mail programs run in it."""
    smtp = named(build(overlay), "Deployment", "mx")["spec"]["template"]["spec"]
    (server,) = smtp["containers"]
    client = {
        "name": "client",
        "image": server["image"],
        "imagePullPolicy": server["imagePullPolicy"],
        "command": ["sleep", "infinity"],
        "env": [{"name": "CA", "value": (OVERLAY / "tls.crt").read_text()}],
        "securityContext": server["securityContext"],
    }
    spec = {
        "containers": [client],
        "securityContext": smtp["securityContext"],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client"}, "spec": spec}
    inside("apply", "-f", "-", stdin=json.dumps(pod))
    inside("wait", "--for=condition=Ready", "pod/client", f"--timeout={PATIENCE:.0f}s")


@contextmanager
def administrator() -> Iterator[Client]:
    """The API through a forwarded port, with the token of the overlay's own Secret."""
    token = inside("get", "secret", "buuta-admin", "-o", "go-template={{.data.BUUTA_TOKEN | base64decode}}")
    command = ["kubectl", "-n", NAMESPACE, "port-forward", "service/store", ":10051"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forward:
        try:
            assert forward.stdout is not None
            line = forward.stdout.readline()
            assert "127.0.0.1:" in line, line
            address = line.partition(" from ")[2].partition(" -> ")[0]
            with Client(address, token, timeout=120) as client:
                yield client
        finally:
            forward.terminate()
