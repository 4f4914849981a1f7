"""The MIME scanner beside the standard library's parser: multipart messages of 4 KB."""

import email
import email.policy
from statistics import median

from bench.messages import message
from bench.report import Row
from bench.rounds import cpu_of
from services.common.mime import scan_message
from services.common.mime.scanner import COMPILED
from services.common.mime.walk import Walk

ROUNDS = 20  # how fast the machine is changes between them
# Numbers of messages (messages.py) by the encoding of the text that the preview is made of. Most are 7bit.
TEXTS = {"7bit": 3, "quoted-printable": 7, "base64": 9}


def run(count: int) -> list[Row]:
    """CPU of a scan, and how many times as much others take: medians of alternating rounds."""
    rows = []
    for encoding, number in TEXTS.items():
        own, walked, parsed, with_values = _measure(message(number), max(count // ROUNDS, 1))
        note = (
            f"{own * 1e6:.1f} µs a scan; {walked / own:.1f} times that in Python"
            if COMPILED
            else "not compiled"
        )
        rows += [
            Row(f"message_from_bytes / scan, 4 KB, {encoding}", parsed / own, "times", "≥ 20", note),
            Row("the same with header values parsed", with_values / own, "times"),
        ]
    return rows


def _measure(octets: bytes, count: int) -> list[float]:
    """Seconds of CPU: the scanner, its Python part alone, the standard library, the same with values."""

    def scan() -> None:
        scan_message(octets)

    def walk() -> None:
        Walk().finish(octets)

    def parse() -> None:
        email.message_from_bytes(octets)

    def parse_values() -> None:
        for value in email.message_from_bytes(octets, policy=email.policy.default).values():
            str(value)

    works = (scan, walk, parse, parse_values)
    rounds = [[cpu_of(work, count) for work in works] for _ in range(ROUNDS)]
    return [median(times) for times in zip(*rounds, strict=True)]
