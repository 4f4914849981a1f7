"""The 80-octet record of a message, its pages, and the page directory, as NumPy maps them.

A page is a bitmap of the present slots (UID modulo 128) and the present records
in UID order; the directory has 16 octets a page. Layout: `docs/redis.md`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

PAGE = 128
BITMAP = 16

RECORD = np.dtype(
    [
        ("modseq", "<u8"),
        ("flags", "<u8"),
        ("internal_date", "<i8"),
        ("size", "<u4"),
        ("save_date", "<u4"),
        ("body", "V16"),
        ("offset", "<u4"),
        ("stored_length", "<u4"),
        ("email", "<u8"),
        ("thread", "<u8"),
        ("created_modseq", "<u8"),
    ]
)
# A record as views hold it: with its UID.
ROW = np.dtype([("uid", "<u4"), *[(name, RECORD[name]) for name in RECORD.names or ()]])
# The same as octets: NumPy copies these ten times as fast as records field by field.
_OCTETS = np.dtype((np.void, ROW.itemsize))
_PLAIN = np.dtype([("uid", "<u4"), ("record", np.void, RECORD.itemsize)])
DIRECTORY = np.dtype([("page", "<u4"), ("live", "<u4"), ("modseq", "<u8")])

SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = 1, 2, 4, 8, 16
SYSTEM_FLAGS = 31
SHARED = 1 << 14  # the body belongs to several accounts: see references.lua
TOMBSTONE = 1 << 15  # expunged
PUBLIC_FLAGS = np.uint64(0xFFFF_FFFF_FFFF_001F)
FIRST_KEYWORD = 16

Rows = np.ndarray[Any, np.dtype[np.void]]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]


def page_rows(number: int, page: bytes | None) -> Rows:
    """The records of one page with their UIDs, tombstones included, by UID."""
    if not page:
        return np.empty(0, ROW)
    bits = np.unpackbits(np.frombuffer(page, np.uint8, BITMAP), bitorder="little")
    slots = np.flatnonzero(bits)
    records = np.frombuffer(page, _PLAIN["record"], offset=BITMAP)
    rows = np.empty(len(records), _PLAIN)
    rows["uid"] = slots[: len(records)] + number * PAGE
    rows["record"] = records
    return rows.view(ROW)


def joined(parts: Sequence[Rows]) -> Rows:
    """One behind the other, in an array of their own."""
    if not parts:
        return np.empty(0, ROW)
    return np.concatenate([part.view(_OCTETS) for part in parts]).view(ROW)


def live(rows: Rows) -> Rows:
    """Without the tombstones; the same array where there are none."""
    there = (rows["flags"] & np.uint64(TOMBSTONE)) == 0
    return rows if there.all() else rows.take(np.flatnonzero(there))


def column(data: bytes) -> U32:
    """A column of UIDs as it travels."""
    return np.frombuffer(data, "<u4")
