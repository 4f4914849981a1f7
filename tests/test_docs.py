"""The documentation says what is there: keys, scripts, RFCs, reasons, metrics, packages, examples."""

import ast
import asyncio
import csv
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.common.health import Health
from services.common.metrics import new_registry
from services.imap.metrics import Metrics as ImapMetrics
from services.pop3.metrics import Metrics as Pop3Metrics
from services.smtp.metrics import Metrics as SmtpMetrics
from services.store.status import CODES
from tests.support.processes import RedisServer
from tests.support.store import running_store

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
INDEX = ROOT / "services" / "store" / "index"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.glob("*.md")])
CITED = re.compile(r"RFC (\d{3,5})")


def sources(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.rglob("*") if path.suffix in {".py", ".lua"})


# -- docs/redis.md -----------------------------------------------------------------------


def keys_of_scripts() -> set[str]:
    """Key names as the scripts write them: behind the account's prefix, or the shard's."""
    found = set()
    for path in (INDEX / "lua").glob("*.lua"):
        for prefix, name in re.findall(r"\b(P|SHARD) \.\. '(:[a-z]+)", path.read_text()):
            found.add(("SHARD:a:ACCOUNT" if prefix == "P" else "SHARD") + name)
    return found


def keys_of_modules() -> set[str]:
    """Key names in the octet strings of the index's modules."""
    found = set()
    for path in [*INDEX.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                key = re.fullmatch(r"(%b|\{s0000\})?(:[a-z@]+)(:.*)?", node.value.decode("latin-1"))
                if key and key[2] != ":a":  # the account's prefix, or a stand-in for it
                    found.add(key[2])
    return found


def keys_of_the_page() -> set[str]:
    rows = re.findall(r"^\| `((?:SHARD|\{s0000\}):[^`]*)` \|", (DOCS / "redis.md").read_text(), re.MULTILINE)
    assert len(rows) > 20
    return set(rows)


def name_of(key: str) -> str:
    """`:m` of `SHARD:a:ACCOUNT:m:MAILBOX`."""
    rest = re.sub(r"^(SHARD|\{s0000\})(:a:ACCOUNT)?", "", key)
    match = re.match(r":[a-z@]+", rest)
    return match[0] if match else ""


def test_every_key_of_redis_is_described() -> None:
    known = keys_of_the_page()
    missing = {
        key
        for key in keys_of_scripts()
        if not any(
            re.match(re.escape(key.replace("SHARD:domains", "{s0000}:domains")) + r"\b", row) for row in known
        )
    }
    assert not missing, "not in docs/redis.md"
    names = {name_of(row) for row in known}
    assert not keys_of_modules() - names, "not in docs/redis.md"


def test_every_described_key_is_used() -> None:
    used = {name_of(key) for key in keys_of_scripts()} | keys_of_modules() | {""}
    assert not {row for row in keys_of_the_page() if name_of(row) not in used}


def test_the_table_of_scripts_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("print_scripts", DOCS / "print_scripts.py")
    assert spec is not None
    assert spec.loader is not None
    printer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(printer)
    assert printer.page() == (DOCS / "redis.md").read_text(), "run: python docs/print_scripts.py"


# -- docs/rfc.tsv ------------------------------------------------------------------------


def rfc_rows() -> list[dict[str, str]]:
    with open(DOCS / "rfc.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(rows) > 100
    return rows


def test_files_of_the_rfc_table_cite_their_rfc() -> None:
    for row in rfc_rows():
        assert row["what"]
        assert row["RFC"] in CITED.findall((ROOT / row["file"]).read_text()), row


def test_every_rfc_that_is_cited_is_in_the_table() -> None:
    cited = {number for path in sources(ROOT / "services") for number in CITED.findall(path.read_text())}
    assert cited == {row["RFC"] for row in rfc_rows()}


# -- the other pages ---------------------------------------------------------------------


def test_every_reason_of_the_api_is_explained() -> None:
    explained = set(re.findall(r"^\| `([A-Z_0-9]+)` \|", (DOCS / "api.md").read_text(), re.MULTILINE))
    assert explained == {reason for reasons in CODES.values() for reason in reasons} | {"UNAVAILABLE"}


def metric_names() -> set[str]:
    """What `/metrics` of all services has of our own."""
    own = new_registry(Health())
    names = {metric.name for metric in own.collect() if not metric.name.startswith(("process_", "python_"))}
    for kind in (SmtpMetrics, Pop3Metrics, ImapMetrics):
        registry = CollectorRegistry()
        kind(registry)
        for metric in registry.collect():
            names.add(metric.name + ("_total" if metric.type == "counter" else ""))
    return names | {"connections"}


def test_every_metric_is_explained() -> None:
    page = (DOCS / "operations.md").read_text()
    assert metric_names() <= set(re.findall(r"`([a-z0-9_]+)(?:\{[a-z]+\})?`", page))


def test_every_package_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    packages = {re.split(r"[\[<>=~ ]", each)[0].lower() for each in wanted} - {"buuta"}
    first_column = re.findall(r"^\| ([^|]+) \|", (DOCS / "dependencies.md").read_text(), re.MULTILINE)
    explained = {word.lower() for cell in first_column for word in re.findall(r"[A-Za-z0-9_-]+", cell)}
    assert not packages - explained
    assert not explained - packages - {"package", "with", "hiredis", "---", "and"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        other = (page.parent / file).resolve() if file else page
        assert other.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, target


def examples(page: Path) -> Iterator[str]:
    yield from re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "api.md"], ids=lambda page: page.name)
async def test_examples_run(page: Path, redis_server: RedisServer, tmp_path: Path) -> None:
    found = list(examples(page))
    assert found
    async with running_store(redis_server.url, tmp_path / "bodies") as store:
        (tmp_path / "admin.token").write_text(store.token("admin"))
        for place, example in enumerate(found):
            script = tmp_path / f"example{place}.py"
            script.write_text(
                example.replace("127.0.0.1:10051", store.endpoint).replace("var/admin.token", "admin.token")
            )
            done = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, str(script)],
                cwd=tmp_path,
                env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, f"{example}\n{done.stderr}"
            assert done.stdout
