"""Search keys that the columns alone decide, as masks over rows."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from buuta.v1.message_pb2 import SearchKey
from services.store.search.source import Columns, Mask

_FIRST_KEYWORD = 16  # bit of the mailbox's first keyword
_DAY = 86400


def column_mask(key: SearchKey, columns: Columns, keywords: Sequence[str]) -> Mask:
    """Which rows the key matches; `key` is one of COLUMN_KEYS."""
    return COLUMN_KEYS[str(key.WhichOneof("key"))](key, columns, keywords)


def _all(key: SearchKey, columns: Columns, _: Sequence[str]) -> Mask:
    return np.full(len(columns.uids), key.all)


def _uids(key: SearchKey, columns: Columns, _: Sequence[str]) -> Mask:
    return np.isin(columns.uids, np.frombuffer(key.uids, "<u4"))


def _flags(key: SearchKey, columns: Columns, keywords: Sequence[str]) -> Mask:
    test = key.flags
    wanted, unwanted = test.set, test.clear
    if test.keyword_set:
        bit = _keyword_bit(test.keyword_set, keywords)
        if not bit:
            return np.zeros(len(columns.uids), np.bool_)
        wanted |= bit
    if test.keyword_clear:
        unwanted |= _keyword_bit(test.keyword_clear, keywords)
    if wanted & unwanted:
        return np.zeros(len(columns.uids), np.bool_)
    matched: Mask = (columns.flags & np.uint64(wanted | unwanted)) == np.uint64(wanted)
    return matched


def _keyword_bit(name: str, keywords: Sequence[str]) -> int:
    """0 if no message of the mailbox can have it. Case does not matter (RFC 9051 §2.3.2)."""
    folded = name.lower()
    number = next((number for number, known in enumerate(keywords) if known.lower() == folded), None)
    return 0 if number is None else 1 << (_FIRST_KEYWORD + number)


def _size(key: SearchKey, columns: Columns, _: Sequence[str]) -> Mask:
    return in_range(columns.sizes.astype(np.int64), key.size)


def _internal_date(key: SearchKey, columns: Columns, _: Sequence[str]) -> Mask:
    dates = columns.internal_dates
    zone_minutes = (dates & 0xFFFF).astype(np.uint16).astype(np.int16).astype(np.int64)
    return in_range(((dates >> 16) + zone_minutes * 60) // _DAY, key.internal_date)


def _save_date(key: SearchKey, columns: Columns, _: Sequence[str]) -> Mask:
    return in_range(columns.save_dates.astype(np.int64) // _DAY, key.save_date)


def _modseq(key: SearchKey, columns: Columns, _: Sequence[str]) -> Mask:
    return columns.modseqs >= np.uint64(key.modseq)


def in_range(values: npt.NDArray[np.int64], wanted: SearchKey.Range) -> Mask:
    mask = values >= wanted.min
    return mask & (values < wanted.max) if wanted.max else mask


COLUMN_KEYS: dict[str, Callable[[SearchKey, Columns, Sequence[str]], Mask]] = {
    "all": _all,
    "uids": _uids,
    "flags": _flags,
    "size": _size,
    "internal_date": _internal_date,
    "save_date": _save_date,
    "modseq": _modseq,
}
