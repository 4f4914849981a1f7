"""What the platform's processes use: CPU time and memory of a process and all below it, from /proc.

CPU time has a resolution of 10 ms a process (the kernel's clock ticks), so a
step must last some seconds. Children that have ended count through their
parent. Work of the kernel outside these processes (write-back) is not counted.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from `state` (field 3) on."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def tree(root: int) -> list[int]:
    """`root` and all processes below it."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except OSError:
                continue
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu(root: int) -> float:
    """Seconds of CPU time, user and system."""
    ticks = 0
    for pid in tree(root):
        try:
            fields = _stat(pid)
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))  # own and of children waited for
    return ticks * TICK


def memory(pid: int) -> int:
    """Octets of memory that a process has written to and shares with no other (Private_Dirty)."""
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Private_Dirty in smaps_rollup")


def title(pid: int) -> str:
    """A process's command line, which redis-server replaces by where it listens."""
    return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()


def find(root: int, *words: str) -> int:
    """The process below `root` whose command line has all these words."""
    for pid in tree(root):
        try:
            line = title(pid)
        except OSError:
            continue
        if all(word in line for word in words):
            return pid
    raise RuntimeError(f"no process with {words} runs")


@dataclass(slots=True)
class Meter:
    """CPU time and wall time since `start`."""

    root: int
    cpu_before: float = 0.0
    began: float = 0.0

    def start(self) -> "Meter":
        self.cpu_before, self.began = cpu(self.root), time.perf_counter()
        return self

    def stop(self) -> tuple[float, float]:
        """Seconds of CPU time and of wall time."""
        return cpu(self.root) - self.cpu_before, time.perf_counter() - self.began
