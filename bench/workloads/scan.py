"""The MIME scanner beside the standard library's parser, on one multipart message of 4 KB."""

import email
import email.policy
import time
from collections.abc import Callable

from bench.messages import message
from bench.report import Row
from services.common.mime import Scanner


def run(count: int) -> list[Row]:
    """CPU of a scan, and how many times as much the standard library takes."""
    octets = message(3)

    def scan() -> None:
        scanner = Scanner()
        scanner.feed(octets)
        scanner.finish()

    def parse() -> None:
        email.message_from_bytes(octets)

    def parse_values() -> None:
        for value in email.message_from_bytes(octets, policy=email.policy.default).values():
            str(value)

    own = _cpu(scan, count)
    return [
        Row("scan of 4 KB: CPU", own * 1e6, "µs", "", "ENVELOPE, BODYSTRUCTURE, preview, part offsets"),
        Row("email.message_from_bytes", _cpu(parse, count) / own, "times that", "≥ 20", "values unparsed"),
        Row("the same, values parsed", _cpu(parse_values, count // 10 or 1) / own, "times that"),
    ]


def _cpu(work: Callable[[], None], count: int) -> float:
    """Seconds of CPU time of one call."""
    work()
    began = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - began) / count
