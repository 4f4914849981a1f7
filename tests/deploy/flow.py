"""traffic.py as a child process: mail that flows while a test breaks something."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPT = (Path(__file__).parent / "traffic.py").read_text()
SOME = 30  # messages: enough to be sure that mail flows
PATIENCE = 600.0


class Flow:
    """The process; `command` runs the script's text, its arguments and an input somewhere inside."""

    def __init__(self, command: Sequence[str], address: str, password: str) -> None:
        self.process = subprocess.Popen(
            [*command, "python3", "-c", SCRIPT, address, password],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def some(self) -> None:
        """Returns when some more messages have been acknowledged."""
        assert self.process.stdout is not None
        for _ in range(SOME):
            assert self.process.stdout.readline(), "the client's program has ended"

    def end(self) -> dict[str, Any]:
        """What the clients saw, all in all."""
        output, _ = self.process.communicate("", timeout=PATIENCE)
        assert self.process.returncode == 0
        known: dict[str, Any] = json.loads(output.splitlines()[-1])
        return known

    def kill(self) -> None:
        with self.process:  # its pipes are closed, too
            self.process.kill()


@contextmanager
def flowing(command: Sequence[str], address: str, password: str) -> Iterator[Flow]:
    """Mail flows before, during and after the block, and afterwards each message is there once."""
    flow = Flow(command, address, password)
    try:
        flow.some()
        yield flow
        flow.some()
        known = flow.end()
    finally:
        flow.kill()
    assert sorted(known["imap"]) == sorted(known["acked"])
    assert sorted(known["pop3"]) == sorted(known["acked"])
