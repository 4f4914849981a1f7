"""The manifests against the services' own declarations: environment, ports, secrets, probes, drain."""

import base64
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from prometheus_client import CollectorRegistry

from services.common.config import Address, CommonSettings, FrontEndSettings, declared, load, parse_address
from services.common.health import Health
from services.common.metrics import serving
from services.common.run import GRACE
from services.imap.settings import ImapSettings
from services.local.layout import PORTS
from services.pop3.settings import Pop3Settings
from services.smtp.settings import SmtpSettings
from services.store.settings import StoreSettings
from services.store.tokens import service_token
from tests.deploy.manifests import (
    K8S,
    OVERLAYS,
    ROOT,
    Object,
    build,
    builder,
    container,
    environment,
    named,
    of_kind,
    pod,
    ports,
)
from tests.support.processes import missing

# Which settings class each Deployment's program reads.
PROGRAMS: dict[str, type[CommonSettings]] = {
    "mx": SmtpSettings,
    "submission": SmtpSettings,
    "pop3": Pop3Settings,
    "imap": ImapSettings,
    "store": StoreSettings,
    "collect": StoreSettings,
}
FRONT_ENDS = ("mx", "submission", "pop3", "imap")
# Containers listen above 1023, where no capability is needed, at the standard port + this.
OFFSET = 10000
# Settings that no manifest names: their defaults are right in a cluster. A new setting
# is put into the manifests or here.
DEFAULTS = {
    *("ALLOW_PLAINTEXT_AUTH", "DRAIN_SECONDS", "LOG_FORMAT", "LOG_LEVEL", "MAX_CONNECTIONS"),
    *("MAX_CONNECTIONS_PER_IP", "MAX_MESSAGE_SIZE", "STORE_TIMEOUT", "TRUSTED_PROXIES"),
    *(
        "BODIES_DIR",
        "GARBAGE_GRACE",
        "LOG_RETENTION",
        "REDO_LOG_BYTES",
        "REDIS_TIMEOUT",
        "REDIS_WAIT_REPLICAS",
        "S3_BUCKET",
    ),
    *("TOMBSTONE_RETENTION", "VIEW_CACHE_BYTES"),
    "SERVICE_TOKEN_MX",  # for a process that is both mx and submission: here they are apart
}
CERTIFICATE = K8S / "overlays" / "dev" / "tls.crt"
PRIVATE_KEY = K8S / "overlays" / "dev" / "tls.key"


@dataclass(frozen=True)
class Platform:
    """An overlay with its Secrets: its own, or those an operator makes for it."""

    objects: list[Object]
    secrets: list[Object]

    def environment(self, name: str, kind: str = "Deployment") -> dict[str, str]:
        config = {
            f"{each['kind']}/{each['metadata']['name']}": each.get("data") or each.get("stringData", {})
            for each in of_kind(self.objects, "ConfigMap") + self.secrets
        }
        return environment(named(self.objects, kind, name), config)

    def secret(self, name: str) -> dict[str, str]:
        """By its name without the digest of its contents."""
        (found,) = [each for each in self.secrets if each["metadata"]["name"].startswith(name)]
        values: dict[str, str] = found["stringData"]
        return values


def decoded(secret: Object) -> Object:
    """A Secret with its values in clear."""
    values = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    return {"kind": "Secret", "metadata": secret["metadata"], "stringData": values}


def operators_secrets() -> list[Object]:
    """What an operator makes for the production overlay."""
    made = subprocess.run(
        [sys.executable, K8S / "make_secrets.py", CERTIFICATE, PRIVATE_KEY],
        capture_output=True,
        text=True,
        check=True,
    )
    items: list[Object] = json.loads(made.stdout)["items"]
    return items


@pytest.fixture(scope="module", params=OVERLAYS)
def platform(request: pytest.FixtureRequest) -> Platform:
    if builder() is None:
        missing("kubectl or kustomize")
    objects = build(K8S / "overlays" / request.param)
    own = [decoded(each) for each in of_kind(objects, "Secret")]
    return Platform(objects, own or operators_secrets())


# -- settings ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_service_starts_with_its_environment(platform: Platform, name: str) -> None:
    """Every variable is a setting of the program, and together they are a whole configuration."""
    values = platform.environment(name)
    assert values.keys() <= {variable for _, variable, _ in declared(PROGRAMS[name])}
    load(PROGRAMS[name], values)


def test_every_setting_is_decided_on(platform: Platform) -> None:
    for settings in set(PROGRAMS.values()):
        given = {name for name, cls in PROGRAMS.items() if cls is settings}
        named_here = {variable for name in given for variable in platform.environment(name)}
        every = {variable for _, variable, _ in declared(settings)}
        open_ = every - named_here - DEFAULTS
        assert open_ <= {"HOSTNAME"}, "HOSTNAME is the pod's name unless an overlay says better"
        assert not named_here & DEFAULTS


def test_production_names_the_server() -> None:
    if builder() is None:
        missing("kubectl or kustomize")
    production = Platform(build(K8S / "overlays" / "prod"), operators_secrets())
    for name in FRONT_ENDS:
        assert "." in production.environment(name)["HOSTNAME"]


# -- ports and names --------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_ports_are_those_the_code_listens_on(platform: Platform, name: str) -> None:
    """Reachable from other pods, and nothing else is declared."""
    values = platform.environment(name)
    listening = [parse_address(value) for key, value in values.items() if "LISTEN" in key]
    assert {address.host for address in listening} == {"0.0.0.0"}
    assert {address.port for address in listening} == set(ports(named_deployment(platform, name)).values())


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_services_have_the_standard_ports(platform: Platform, name: str) -> None:
    """A client's port leads to the listener of that protocol: 993 to LISTEN_IMAPS, and so on."""
    values, inside = platform.environment(name), ports(named_deployment(platform, name))
    outside = {
        inside[port["targetPort"]]: port["port"]
        for port in named(platform.objects, "Service", name)["spec"]["ports"]
    }
    for variable in (each for each in values if each.startswith("LISTEN_")):
        listener = variable.removeprefix("LISTEN_").lower()
        number = parse_address(values[variable]).port
        assert number == PORTS[listener] + OFFSET
        assert outside[number] == PORTS[listener]


def test_addresses_are_services(platform: Platform) -> None:
    """Whatever a setting points at is a Service of the platform at that port."""

    def is_service(address: Address) -> None:
        served = named(platform.objects, "Service", address.host)["spec"]["ports"]
        assert [port["port"] for port in served] == [address.port]

    store = platform.environment("store")
    for url in (store["REDIS_URL"], store["S3_ENDPOINT"]):
        is_service(parse_address(urlsplit(url).netloc))
    for name in FRONT_ENDS:
        settings = load(PROGRAMS[name], platform.environment(name))
        assert isinstance(settings, FrontEndSettings)
        for address in settings.store_endpoints:
            is_service(address)


def named_deployment(platform: Platform, name: str) -> Object:
    return named(platform.objects, "Deployment", name)


# -- secrets ----------------------------------------------------------------------------


def test_tokens_follow_from_the_cluster_key(platform: Platform) -> None:
    """Each front end has the token of its own role and no other."""
    key = platform.environment("store")["CLUSTER_KEY"]
    for name in FRONT_ENDS:
        assert platform.environment(name)["SERVICE_TOKEN"] == service_token(key, name)
        assert "CLUSTER_KEY" not in platform.environment(name)
    assert platform.secret("buuta-admin") == {"BUUTA_TOKEN": service_token(key, "admin")}


def test_minio_takes_the_stores_keys(platform: Platform) -> None:
    minio, store = platform.environment("minio", "StatefulSet"), platform.environment("store")
    assert minio["MINIO_ROOT_USER"] == store["S3_ACCESS_KEY"]
    assert minio["MINIO_ROOT_PASSWORD"] == store["S3_SECRET_KEY"]
    assert minio.keys() - {"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"} == {"MINIO_BROWSER", "MINIO_UPDATE"}


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_the_certificate_is_where_the_settings_say(platform: Platform, name: str) -> None:
    workload, values = named_deployment(platform, name), platform.environment(name)
    (volume,) = pod(workload)["volumes"]
    (mount,) = container(workload)["volumeMounts"]
    contents = platform.secret(volume["secret"]["secretName"])
    paths = {str(Path(mount["mountPath"]) / file) for file in contents}
    assert paths == {values["TLS_CERT_FILE"], values["TLS_KEY_FILE"]}


def test_the_dev_certificate_names_the_services() -> None:
    certificate = x509.load_pem_x509_certificate(CERTIFICATE.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {*FRONT_ENDS, "localhost"} <= set(names.get_values_for_type(x509.DNSName))


def test_the_manual_names_every_secret() -> None:
    page = (ROOT / "docs" / "operations.md").read_text().partition("## Kubernetes")[2]
    for each in operators_secrets():
        assert {each["metadata"]["name"], *each["stringData"]} <= set(re.findall(r"`([^`]+)`", page))


def test_secrets_are_never_the_same_twice() -> None:
    first, second = (
        {each["metadata"]["name"]: each["stringData"] for each in operators_secrets()} for _ in range(2)
    )
    for name in first.keys() - {"buuta-tls"}:
        assert not set(first[name].values()) & set(second[name].values())


# -- life and death ---------------------------------------------------------------------


def test_probes_ask_for_what_is_served(platform: Platform) -> None:
    paths = {
        container(each)[probe]["httpGet"]["path"]
        for each in of_kind(platform.objects, "Deployment")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    with serving(Address("127.0.0.1", 0), CollectorRegistry(), Health()) as port:
        for path in paths:
            assert status(f"http://127.0.0.1:{port}{path}") in (200, 503)
        assert status(f"http://127.0.0.1:{port}/nothing") == 404


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            code: int = answer.status
            return code
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_grace_period_lasts_for_the_drain(platform: Platform, name: str) -> None:
    """preStop, then DRAIN_SECONDS, then what closing may take: only after that comes SIGKILL."""
    workload = named_deployment(platform, name)
    settings = load(PROGRAMS[name], platform.environment(name))
    (command, seconds) = container(workload)["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert int(seconds) + settings.drain_seconds + GRACE < pod(workload)["terminationGracePeriodSeconds"]
