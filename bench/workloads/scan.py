"""The MIME scanner, compiled and in Python, beside the standard library's parser: one multipart of 4 KB."""

import email
import email.policy
import time
from collections.abc import Callable
from statistics import median

from bench.messages import message
from bench.report import Row
from services.common.mime import Scanner
from services.common.mime.scanner import COMPILED
from services.common.mime.walk import Walk

ROUNDS = 20  # how fast the machine is changes between them


def run(count: int) -> list[Row]:
    """CPU of a scan, and how many times as much the standard library takes: medians of alternating rounds."""
    octets = message(3)

    def scan() -> None:
        scanner = Scanner()
        scanner.feed(octets)
        scanner.finish()

    def walk() -> None:
        Walk().finish(octets)

    def parse() -> None:
        email.message_from_bytes(octets)

    def parse_values() -> None:
        for value in email.message_from_bytes(octets, policy=email.policy.default).values():
            str(value)

    works = (scan, walk, parse, parse_values)
    rounds = [[_cpu(work, max(count // ROUNDS, 1)) for work in works] for _ in range(ROUNDS)]
    own, walked, parsed, with_values = (median(times) for times in zip(*rounds, strict=True))
    note = f"{'' if COMPILED else 'not '}compiled: ENVELOPE, BODYSTRUCTURE, preview, part offsets"
    return [
        Row("scan of 4 KB: CPU", own * 1e6, "µs", "", note),
        Row("the same in Python alone", walked / own, "times that", "", "what the compiled scanner leaves"),
        Row("email.message_from_bytes", parsed / own, "times that", "≥ 20", "values unparsed"),
        Row("the same, values parsed", with_values / own, "times that"),
    ]


def _cpu(work: Callable[[], None], count: int) -> float:
    """Seconds of CPU time of one call."""
    work()
    began = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - began) / count
