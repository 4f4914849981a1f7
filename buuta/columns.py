"""Columns of the API as Python values, for programs without NumPy (`columns.proto` is the contract).

With NumPy a column is `numpy.frombuffer(data, "<u4")`, without a copy.
"""

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone

SYSTEM_FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
FIRST_KEYWORD_BIT = 16


def u32(column: bytes) -> list[int]:
    """UIDs, sizes."""
    return list(struct.unpack(f"<{len(column) // 4}I", column))


def u64(column: bytes) -> list[int]:
    """Flags, modseqs."""
    return list(struct.unpack(f"<{len(column) // 8}Q", column))


def i64(column: bytes) -> list[int]:
    """Internal dates."""
    return list(struct.unpack(f"<{len(column) // 8}q", column))


def pack_u32(values: Iterable[int]) -> bytes:
    """The column of some UIDs; the API wants them ascending."""
    values = list(values)
    return struct.pack(f"<{len(values)}I", *values)


def internal_date(value: int) -> datetime:
    """Seconds << 16 | minutes east of Greenwich, as a time in that zone."""
    minutes = value & 0xFFFF
    if minutes >= 0x8000:
        minutes -= 0x10000
    zone = timezone(timedelta(minutes=minutes)) if minutes else UTC
    return datetime.fromtimestamp(value >> 16, zone)


def flag_names(flags: int, keywords: Iterable[str]) -> Iterator[str]:
    """The flags of a message by name; `keywords` is the mailbox's list."""
    for bit, name in enumerate(SYSTEM_FLAGS):
        if flags >> bit & 1:
            yield name
    for bit, name in enumerate(keywords, FIRST_KEYWORD_BIT):
        if flags >> bit & 1:
            yield name
