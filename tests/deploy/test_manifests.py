"""Our own assertions on the manifests: what no schema says, and what a cluster says only too late."""

import json
import re
from typing import Any

import pytest

from tests.deploy.manifests import (
    COMPONENT,
    K8S,
    OVERLAYS,
    PODS,
    ROOT,
    Object,
    build,
    builder,
    container,
    named,
    of_kind,
    pod,
    ports,
    selects,
)
from tests.support.processes import missing

WORKLOADS = ("mx", "submission", "pop3", "imap", "store", "collect", "redis", "minio")
SCALED = ("mx", "submission", "pop3", "imap", "store")
LABELS = ("name", "instance", "component", "part-of", "managed-by")
UNITS = {"m": 0.001, "Mi": 2**20, "Gi": 2**30, "mb": 2**20, "gb": 2**30}


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    """The objects of each overlay in turn."""
    if builder() is None:
        missing("kubectl or kustomize")
    return build(K8S / "overlays" / request.param)


@pytest.fixture(params=WORKLOADS)
def workload(request: pytest.FixtureRequest, objects: list[Object]) -> Object:
    (found,) = [each for each in of_kind(objects, *PODS) if each["metadata"]["name"] == request.param]
    return found


def quantity(text: str) -> float:
    """A Kubernetes or Redis quantity as a number."""
    match = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text))
    assert match is not None, text
    return float(match[1]) * (UNITS[match[2]] if match[2] else 1)


def version() -> str:
    match = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert match is not None
    return match[1]


def test_these_are_all(objects: list[Object]) -> None:
    assert sorted(each["metadata"]["name"] for each in of_kind(objects, *PODS)) == sorted(WORKLOADS)


# -- what a pod may, and what it gets ---------------------------------------------------


def test_a_pod_is_restricted(workload: Object) -> None:
    """The `restricted` Pod Security Standard, and more: nothing writable, nothing of the cluster's."""
    spec, own = pod(workload), container(workload)["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own["allowPrivilegeEscalation"] is False
    assert own["readOnlyRootFilesystem"] is True
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}
    assert all(volume.keys() & {"emptyDir", "secret"} for volume in spec.get("volumes", []))
    assert all("hostPort" not in port for port in container(workload)["ports"])


def test_a_pod_has_requests_and_limits(workload: Object) -> None:
    """No limit on CPU: it would stall event loops while cores idle."""
    resources = container(workload)["resources"]
    assert quantity(resources["requests"]["cpu"]) > 0
    assert 0 < quantity(resources["requests"]["memory"]) <= quantity(resources["limits"]["memory"])
    for volume in pod(workload).get("volumes", []):
        assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}), "it could fill the node"


def test_a_pod_has_probes(workload: Object) -> None:
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container(workload)[name]
        assert probe["timeoutSeconds"] >= 5, "a busy machine is no dead one"
        if "httpGet" in probe:
            assert probe["httpGet"]["port"] in ports(workload)
    assert container(workload)["livenessProbe"] != container(workload)["readinessProbe"]


def test_volumes_are_mounted_and_there(workload: Object) -> None:
    claims = workload["spec"].get("volumeClaimTemplates", [])
    there = {volume["name"] for volume in pod(workload).get("volumes", [])}
    there |= {claim["metadata"]["name"] for claim in claims}
    assert {mount["name"] for mount in container(workload).get("volumeMounts", [])} == there


def test_an_upgrade_changes_no_claim(objects: list[Object]) -> None:
    """A StatefulSet's claims and every selector are immutable: nothing in them may name a release."""
    for each in of_kind(objects, *PODS):
        fixed = (each["spec"].get("volumeClaimTemplates"), each["spec"]["selector"])
        assert version() not in str(fixed)


# -- who finds whom ---------------------------------------------------------------------


def test_selectors_choose_their_own_pods(objects: list[Object]) -> None:
    """A workload, a Service or a budget means the pods of its own component, and no others."""
    workloads = of_kind(objects, *PODS)
    selectors = [(each, each["spec"]["selector"]) for each in of_kind(objects, "Service")]
    selectors += [
        (each, each["spec"]["selector"]["matchLabels"])
        for each in of_kind(objects, *PODS, "PodDisruptionBudget")
    ]
    for each, selector in selectors:
        chosen = [workload["metadata"]["name"] for workload in workloads if selects(selector, workload)]
        assert chosen == [each["metadata"]["name"]], f"{each['kind']}"
        assert selector["app.kubernetes.io/name"] == "buuta", "others may live in the namespace"
    for each in workloads:
        for constraint in pod(each).get("topologySpreadConstraints", []):
            assert selects(constraint["labelSelector"]["matchLabels"], each)


def test_services_lead_to_ports(objects: list[Object]) -> None:
    for service in of_kind(objects, "Service"):
        (workload,) = [each for each in of_kind(objects, *PODS) if selects(service["spec"]["selector"], each)]
        served = {port["targetPort"] for port in service["spec"]["ports"]}
        assert served == ports(workload).keys() - {"metrics"}


def test_the_store_is_headless(objects: list[Object]) -> None:
    """Front ends choose a replica for each account: they must see them all."""
    assert named(objects, "Service", "store")["spec"]["clusterIP"] == "None"


def test_everything_has_a_disruption_budget(objects: list[Object]) -> None:
    budgets = {each["metadata"]["name"] for each in of_kind(objects, "PodDisruptionBudget")}
    assert budgets == set(WORKLOADS)


def test_service_accounts_are_there(workload: Object, objects: list[Object]) -> None:
    account = named(objects, "ServiceAccount", pod(workload)["serviceAccountName"])
    assert account["automountServiceAccountToken"] is False


def test_autoscalers_own_the_replicas() -> None:
    if builder() is None:
        missing("kubectl or kustomize")
    objects = build(K8S / "overlays" / "prod")
    targets = [each["spec"]["scaleTargetRef"] for each in of_kind(objects, "HorizontalPodAutoscaler")]
    assert sorted(target["name"] for target in targets) == sorted(SCALED)
    for target in targets:
        assert "replicas" not in named(objects, target["kind"], target["name"])["spec"]


# -- names and numbers ------------------------------------------------------------------


def test_labels(objects: list[Object]) -> None:
    """Kubernetes' recommended labels, on every object and on every pod."""

    def check(labels: dict[str, str], *, component: bool) -> None:
        wanted = LABELS if component else [label for label in LABELS if label != "component"]
        assert {f"app.kubernetes.io/{label}" for label in wanted} <= labels.keys()

    for each in objects:
        check(each["metadata"]["labels"], component=each["kind"] in (*PODS, "Service", "PodDisruptionBudget"))
        assert each["metadata"]["labels"]["app.kubernetes.io/version"] == version()
        if each["kind"] in PODS:
            check(each["spec"]["template"]["metadata"]["labels"], component=True)
            assert each["metadata"]["labels"][COMPONENT] == each["metadata"]["name"]


def test_images_have_tags(workload: Object) -> None:
    """A fixed tag, and never a pull of what is there: the same pod is the same program."""
    image = container(workload)["image"]
    tag = image.rpartition("/")[2].partition(":")[2]
    assert tag not in ("", "latest")
    assert container(workload)["imagePullPolicy"] == "IfNotPresent"
    if image.startswith("registry.example.org/"):
        assert tag == version()


def test_the_dev_overlay_is_small() -> None:
    """It fits into a cluster of two cores, a rolling restart of everything included."""
    if builder() is None:
        missing("kubectl or kustomize")
    workloads = of_kind(build(K8S / "overlays" / "dev"), *PODS)

    def cpu(each: Object, more: int) -> float:
        request = quantity(container(each)["resources"]["requests"]["cpu"])
        return request * (each["spec"]["replicas"] + (more if each["kind"] == "Deployment" else 0))

    assert sum(cpu(each, 0) for each in workloads) < 1.0
    assert sum(cpu(each, 1) for each in workloads) < 1.5


def test_redis_keeps_what_it_is_told(objects: list[Object]) -> None:
    redis = container(named(objects, "StatefulSet", "redis"))
    options: dict[str, Any] = dict(zip(redis["args"][::2], redis["args"][1::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "always"
    assert options["--maxmemory-policy"] == "noeviction"
    (memory,) = [each["value"] for each in redis["env"] if each["name"] == "MAXMEMORY"]
    assert options["--maxmemory"] == "$(MAXMEMORY)"
    assert quantity(memory) * 1.5 < quantity(redis["resources"]["limits"]["memory"]), "a rewrite copies"
    assert {"name": "data", "mountPath": options["--dir"]} in redis["volumeMounts"]


def test_minio_listens_where_its_image_says(objects: list[Object]) -> None:
    minio = named(objects, "StatefulSet", "minio")
    image = (ROOT / "deploy" / "docker" / "minio.Dockerfile").read_text()
    assert f"EXPOSE {ports(minio)['s3']}\n" in image
    (mount,) = container(minio)["volumeMounts"]
    command = json.loads(image.rpartition("ENTRYPOINT ")[2])
    assert command[-2:] == [f":{ports(minio)['s3']}", mount["mountPath"]]


def test_production_is_the_operators() -> None:
    """No namespace and no secret of ours; volumes stay when it is deleted."""
    if builder() is None:
        missing("kubectl or kustomize")
    objects = build(K8S / "overlays" / "prod")
    assert of_kind(objects, "Namespace", "Secret") == []
    for each in of_kind(objects, "StatefulSet"):
        assert "persistentVolumeClaimRetentionPolicy" not in each["spec"]
    exposed = [each for each in of_kind(objects, "Service") if each["spec"].get("type") == "LoadBalancer"]
    assert {each["metadata"]["name"] for each in exposed} == {"mx", "submission", "pop3", "imap"}
    for each in exposed:
        assert each["spec"]["externalTrafficPolicy"] == "Local", "else the client's address is lost"
