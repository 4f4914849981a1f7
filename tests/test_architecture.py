"""The layout's rules, read from the code itself: who may import whom."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(p for top in ("services", "buuta") for p in (ROOT / top).rglob("*.py") if "v1" not in p.parts)
SERVICES = {"smtp", "pop3", "imap", "store", "local"}
NOT_PURE = {
    "asyncio",
    "socket",
    "ssl",
    "select",
    "selectors",
    "threading",
    "time",
    "logging",
    "subprocess",
    "random",
}


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join((*base, *((node.module,) if node.module else ())))
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def pure(path: Path) -> bool:
    return "protocol" in path.parts or path.is_relative_to(ROOT / "services/common/mime")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_layout(path: Path) -> None:
    parts = path.relative_to(ROOT).parts
    own = parts[1] if parts[0] == "services" and len(parts) > 2 else ""
    for name in imports(path):
        head = name.split(".")
        if head[0] == "services" and len(head) > 1 and head[1] in SERVICES:
            assert own not in {"", "common"}, f"{name}: nothing shared may import a service"
            assert head[1] == own, f"{name}: no service imports another"
        if parts[0] == "buuta":
            assert head[0] != "services", f"{name}: the client is installed without the services"
        if head[:2] == ["redis"] or head[0] == "redis":
            assert path.is_relative_to(ROOT / "services/store/index"), f"{name}: Redis belongs to the index"
        if head[0] == "minio":
            assert path.relative_to(ROOT / "services/store").parts[0].startswith("bodies"), (
                f"{name}: S3 belongs to the bodies"
            )


@pytest.mark.parametrize("path", [p for p in FILES if pure(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_protocols_are_sans_io(path: Path) -> None:
    own = "services." + path.relative_to(ROOT).parts[1]
    allowed = (
        "services.common.protocol",
        "services.common.errors",
        "services.common.mime",
        f"{own}.protocol",
        "buuta.v1",
        "numpy",
    )
    for name in imports(path):
        top = name.split(".")[0]
        assert top not in NOT_PURE, f"{name} has no place in a protocol"
        assert (
            top in sys.stdlib_module_names
            or name.startswith(allowed)
            or name in {"services", "services.common"}
        ), name


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_group_is_possessive(path: Path) -> None:
    """Python before 3.11.5, which Debian 12 has, reads such a group on after its last match."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes | str):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            assert not any(sign in text for sign in (")*+", ")++", ")?+", "(?>")), text
