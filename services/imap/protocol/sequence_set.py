"""Sequence sets (RFC 3501 §9): parsed into ranges, and UIDs written back as sets.

A set is kept as the ranges that were sent, never as its members: `1:4294967295`
costs what `1` costs. What the numbers stand for only a session's view knows
(`services/imap/view.py`).
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.common.errors import SyntaxFault
from services.imap.protocol.lexer import Lexer

#   sequence-set = (seq-number / seq-range) *("," sequence-set)
#   seq-range    = seq-number ":" seq-number
#   seq-number   = nz-number / "*"
SET = re.compile(rb"(?:[0-9]{1,10}|\*)(?:[:,](?:[0-9]{1,10}|\*))*")
STAR = 0
MAX_NUMBER = 2**32 - 1
# Half of what a line of 64 KiB can hold; a client that needs more has better commands.
MAX_RANGES = 16_384


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Pairs of numbers in the order sent; 0 stands for "*", and a single number is a pair of equals."""

    ranges: tuple[tuple[int, int], ...]


def parse(lex: Lexer) -> SequenceSet:
    found = SET.match(lex.data, lex.position)
    if found is None:
        raise SyntaxFault("Expected a sequence set")
    lex.position = found.end()
    pieces = found[0].split(b",")
    if len(pieces) > MAX_RANGES:
        raise SyntaxFault(f"More than {MAX_RANGES} ranges in a sequence set")
    return SequenceSet(tuple(map(_range, pieces)))


def _range(piece: bytes) -> tuple[int, int]:
    first, colon, last = piece.partition(b":")
    start = _number(first)
    return (start, _number(last)) if colon else (start, start)


def _number(text: bytes) -> int:
    if text == b"*":
        return STAR
    if b":" in text:
        raise SyntaxFault("A range has two ends")
    number = int(text)
    if not 0 < number <= MAX_NUMBER:
        raise SyntaxFault("Numbers of messages go from 1 to 4294967295")
    return number


def render(numbers: NDArray[Any]) -> bytes:
    """The set that names these numbers in this order, which COPYUID needs (RFC 4315 §3); not empty."""
    values = numbers.astype(np.int64)
    breaks = np.flatnonzero(np.diff(values) != 1)
    starts = values[np.concatenate(([0], breaks + 1))].tolist()
    ends = values[np.concatenate((breaks, [len(values) - 1]))].tolist()
    return b",".join(
        [
            b"%d" % low if low == high else b"%d:%d" % (low, high)
            for low, high in zip(starts, ends, strict=True)
        ]
    )
