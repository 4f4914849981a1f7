"""Logs: one JSON object a line, secrets hidden by their type."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import logging, structlog
from services.common.config import Secret
from services.common.log import configure
configure("imap", "json", "info")
log = structlog.stdlib.get_logger().bind(connection="c1")
log.debug("too small to tell")
log.info("event", token=Secret("hidden"), nested={"deep": [Secret("hidden")]}, octets=b"x")
try:
    raise ValueError("a defect")
except ValueError:
    log.exception("failed")
logging.getLogger("library").warning("from a library")
"""


def test_logs() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["event", "failed", "from a library"]
    assert all(line["service"] == "imap" and line["timestamp"] and line["level"] for line in lines)
    assert lines[0]["connection"] == "c1"
    assert (lines[0]["token"], lines[0]["nested"]) == ("…", {"deep": ["…"]})
    assert "a defect" in lines[1]["exception"]
    assert "hidden" not in done.stderr


UNFORESEEN = """
import logging, structlog
from services.common.log import configure
configure("imap", "{form}", "info")
def defect(password):
    raise ValueError("a defect")
for log in structlog.stdlib.get_logger(), logging.getLogger("library"):
    try:
        defect("hid" + "den")
    except ValueError:
        log.exception("failed")
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_tracebacks_hold_no_values_of_variables(form: str) -> None:
    script = UNFORESEEN.format(form=form)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.count("ValueError: a defect") == 2
    assert "hidden" not in done.stderr
