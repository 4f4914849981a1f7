"""The manifests as kustomize builds them, read back as objects; and their schemas (`make check`).

`python -m tests.deploy.manifests` builds every overlay and validates each object
against the API of the oldest and the newest Kubernetes we speak of. kubectl or
kustomize builds; without both nothing is checked, and in CI that is a failure.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

ROOT = Path(__file__).parent.parent.parent
K8S = ROOT / "deploy" / "k8s"
OVERLAYS = ("dev", "prod")
KUBERNETES = ("1.30", "1.34")
PODS = ("Deployment", "StatefulSet")
COMPONENT = "app.kubernetes.io/component"

Object = dict[str, Any]


def builder() -> list[str] | None:
    """The command that builds a kustomization, without its folder; None: there is none here."""
    for command in (["kubectl", "kustomize"], ["kustomize", "build"]):
        if shutil.which(command[0]):
            return command
    return None


@cache
def build(folder: Path) -> list[Object]:
    """The objects of a kustomization."""
    command = builder()
    assert command is not None, "neither kubectl nor kustomize is here"
    built = subprocess.run([*command, str(folder)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return [each for each in yaml.safe_load_all(built.stdout) if each]


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def named(objects: list[Object], kind: str, name: str) -> Object:
    """The object of this kind and name; AssertionError when there is not exactly one."""
    found = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}: {len(found)} of them"
    return found[0]


def pod(workload: Object) -> Object:
    """The pod's specification."""
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Object) -> Object:
    """The one container of a workload."""
    (only,) = pod(workload)["containers"]
    result: Object = only
    return result


def ports(workload: Object) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container(workload)["ports"]}


def environment(workload: Object, config: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What the container's process gets, `config` being ConfigMaps and Secrets by kind/name."""
    values: dict[str, str] = {}
    for source in container(workload).get("envFrom", []):
        for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if key in source:
                values |= config[f"{kind}/{source[key]['name']}"]
    return values | {each["name"]: each["value"] for each in container(workload).get("env", [])}


def selects(selector: Mapping[str, str], workload: Object) -> bool:
    """Whether a selector's labels are those of the workload's pods."""
    return selector.items() <= workload["spec"]["template"]["metadata"]["labels"].items()


def faults() -> Iterator[str]:
    """What is wrong with any object of any overlay."""
    for overlay in OVERLAYS:
        for each in build(K8S / "overlays" / overlay):
            for version in KUBERNETES:
                try:
                    kubernetes_validate.validate(each, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    name = f"{each['kind']}/{each['metadata']['name']}"
                    where = ".".join(str(part) for part in error.path)
                    yield f"overlay {overlay}, Kubernetes {version}: {name}: {where}: {error.message}"


def main() -> int:
    if builder() is None:
        print("deploy/k8s is not checked: neither kubectl nor kustomize is on this machine")
        return 1 if os.environ.get("CI") else 0
    found = list(faults())
    print("\n".join(found) or f"deploy/k8s: overlays {', '.join(OVERLAYS)} are valid")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
