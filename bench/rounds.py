"""CPU time per operation, in rounds: how fast a machine's cores are may change while a workload runs.

Beside each round the standard library parses a message of 4 KB. What it needs tells how fast the
cores and the interpreter were, so that figures of two runs, or of two machines, can be compared.
"""

import email
import time
from collections.abc import Callable
from statistics import median

from bench.accounting import Meter
from bench.messages import message
from bench.report import Row, quantile

ROUNDS = 8
PARSES = 200
PARSE_MS = 0.105  # where the goals were set


def measured(what: str, goal: str, root: int, count: int, work: Callable[[int], list[float]]) -> Row:
    """`work(n)` does n operations and answers the seconds that each took; medians of the rounds."""
    each = max(count // ROUNDS, 1)
    costs, scaled, parses, latencies = [], [], [], []
    wall = 0.0
    for _ in range(ROUNDS):
        before = _parse()
        meter = Meter(root).start()
        latencies += work(each)
        cpu, seconds = meter.stop()
        parses.append((before + _parse()) / 2)
        costs.append(cpu / each * 1000)
        scaled.append(costs[-1] * PARSE_MS / parses[-1])
        wall += seconds
    note = (
        f"{min(costs):.2f} to {max(costs):.2f}; a parse took {median(parses) * 1000:.0f} µs: "
        f"{median(scaled):.2f} ms at {PARSE_MS * 1000:.0f}; "
        f"{ROUNDS * each / wall:,.0f}/s, p50 {quantile(latencies, 0.5) * 1000:.1f} ms"
    )
    return Row(what, median(costs), "ms", goal, note)


def cpu_of(work: Callable[[], object], count: int) -> float:
    """Seconds of CPU time of one call."""
    work()
    began = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - began) / count


def _parse() -> float:
    """Milliseconds of CPU time that `email.message_from_bytes` takes now."""
    octets = message(3)
    return cpu_of(lambda: email.message_from_bytes(octets), PARSES) * 1000
