"""One child process: its lines with its name before them, a new one when it dies, an orderly end.

Children are sessions of their own, so that Ctrl-C reaches the supervisor alone,
and on Linux they are told to stop when the supervisor is killed.
"""

import asyncio
import ctypes
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

# Seconds before a child that died is started again: doubled each time, from first to last.
FIRST_PAUSE, LAST_PAUSE = 0.5, 10.0
STEADY = 30.0  # one that has run for so long starts again at once
KILL_AFTER = 40.0
MAX_LINE = 1 << 20
PR_SET_PDEATHSIG = 1
MISCONFIGURED = 2  # the exit code of a service whose settings are wrong: a new one would do the same

COLOURS = (36, 32, 33, 35, 34, 31)  # of terminals: cyan, green, yellow, magenta, blue, red
# Not there on systems other than Linux.
_prctl: Any = getattr(ctypes.CDLL(None), "prctl", None)


class Gone(Exception):
    """A child ended in a way that a new one would not cure."""


def _stop_with_parent() -> None:
    """Runs in the child before it becomes the program."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """A program that should run."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        environ: Mapping[str, str],
        say: Callable[[str, str], None],
        keep_open: Sequence[int] = (),
    ) -> None:
        self.name, self.argv, self.environ = name, argv, environ
        self._say, self._keep_open = say, keep_open
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self.restarts = 0

    async def run(self) -> None:
        """Keep it running until it is told to stop."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._run_once()
            if self._stopping.is_set():
                return
            if code == MISCONFIGURED:
                raise Gone(f"{self.name} cannot run")
            if time.monotonic() - started > STEADY:
                pause = FIRST_PAUSE
            self._say(self.name, f"ended with {_how(code)}; starts again in {pause:g} s")
            self.restarts += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, LAST_PAUSE)

    async def _run_once(self) -> int:
        process = await asyncio.create_subprocess_exec(
            *self.argv,
            env=self.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_stop_with_parent,
            pass_fds=self._keep_open,
            limit=MAX_LINE,
        )
        self._process = process
        if self._stopping.is_set():
            process.terminate()
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # longer than MAX_LINE
                continue
            if not line:
                break
            self._say(self.name, line.decode(errors="replace").rstrip())
        return await process.wait()

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else None

    async def stop(self, hurry: asyncio.Event) -> None:
        """SIGTERM and wait; SIGKILL when it takes too long, or in a hurry. `run` then ends by itself."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        ended = asyncio.ensure_future(process.wait())
        hurried = asyncio.ensure_future(hurry.wait())
        await asyncio.wait((ended, hurried), timeout=KILL_AFTER, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not ended.done():
            process.kill()
        await ended


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


class Console:
    """Standard output that many write to, line by line."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._width = max(map(len, names))
        self._colours = sys.stdout.isatty()

    def say(self, name: str, line: str) -> None:
        label = name.ljust(self._width)
        if self._colours:
            colour = COLOURS[self._names.index(name) % len(COLOURS)] if name in self._names else 1
            label = f"\x1b[{colour}m{label}\x1b[0m"
        self.print(f"{label} | {line}")

    def print(self, text: str) -> None:
        """Whatever becomes of our output, the platform goes on."""
        try:
            print(text, flush=True)
        except (BrokenPipeError, ValueError):
            sys.stdout = open("/dev/null", "w")  # noqa: SIM115 # for the rest of this process
