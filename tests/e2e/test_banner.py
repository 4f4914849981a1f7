"""The three commands that `make run` prints to try: they work as they stand."""

import shlex
import sys
from pathlib import Path

from tests.support.platform import Platform, run_tool


def test_the_commands_to_try(platform: Platform) -> None:
    printed = platform.log().partition("To try:\n")[2].strip("\n").partition("\n\n")[0]
    script = printed.replace(".venv/bin/", f"{shlex.quote(str(Path(sys.executable).parent))}/")
    done = run_tool(["bash", "-ec", script])
    assert done.returncode == 0, done.stderr
    assert "The first message." in done.stdout
    assert "bob@example.test" in done.stdout
