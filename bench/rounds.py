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

# The root of a server's processes, and what has it do n operations: as in `measured`.
Side = tuple[int, Callable[[int], list[float]]]


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


def compared(what: str, count: int, ours: Side, theirs: Side) -> Row:
    """The rounds of two servers by turns: the CPU time of the first as a share of the second's."""
    each = max(count // ROUNDS, 1)
    costs: tuple[list[float], list[float]] = ([], [])
    latencies: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS):
        for side in (0, 1) if number % 2 else (1, 0):
            root, work = (ours, theirs)[side]
            meter = Meter(root).start()
            latencies[side].extend(work(each))
            costs[side].append(meter.stop()[0] / each)
    ratio = median(first / second for first, second in zip(*costs, strict=True))
    cpu, p50 = (" : ".join(f"{median(of) * 1000:.2f}" for of in both) for both in (costs, latencies))
    return Row(what, ratio, "x", "", f"{cpu} ms of CPU; p50 {p50} ms")


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
