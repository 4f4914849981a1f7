"""Search keys that the columns alone decide, as masks over rows."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from buuta.v1.message_pb2 import SearchKey
from services.store.search.source import Columns, Mask

_FIRST_KEYWORD = 16  # bit of the mailbox's first keyword
_DAY = 86400

Test: TypeAlias = Callable[[Columns], Mask]


def column_test(key: SearchKey, keywords: Sequence[str]) -> Test:
    """Tells which rows the key matches; `key` is one of COLUMN_KEYS."""
    return COLUMN_KEYS[str(key.WhichOneof("key"))](key, keywords)


def _all(key: SearchKey, _: Sequence[str]) -> Test:
    return lambda columns: np.full(len(columns.uids), key.all)


def _uids(key: SearchKey, _: Sequence[str]) -> Test:
    wanted = np.frombuffer(key.uids, "<u4")
    if not len(wanted):
        return _none
    if not (wanted[1:] > wanted[:-1]).all():
        wanted = np.unique(wanted)

    def test(columns: Columns) -> Mask:
        places = np.minimum(np.searchsorted(wanted, columns.uids), len(wanted) - 1)
        matched: Mask = wanted[places] == columns.uids
        return matched

    return test


def _flags(key: SearchKey, keywords: Sequence[str]) -> Test:
    test = key.flags
    wanted, unwanted = test.set, test.clear
    if test.keyword_set:
        bit = _keyword_bit(test.keyword_set, keywords)
        if not bit:
            return _none
        wanted |= bit
    if test.keyword_clear:
        unwanted |= _keyword_bit(test.keyword_clear, keywords)
    if wanted & unwanted:
        return _none
    bits, expected = np.uint64(wanted | unwanted), np.uint64(wanted)
    return lambda columns: (columns.flags & bits) == expected


def _none(columns: Columns) -> Mask:
    return np.zeros(len(columns.uids), np.bool_)


def _keyword_bit(name: str, keywords: Sequence[str]) -> int:
    """0 if no message of the mailbox can have it. Case does not matter (RFC 9051 §2.3.2)."""
    folded = name.lower()
    number = next((number for number, known in enumerate(keywords) if known.lower() == folded), None)
    return 0 if number is None else 1 << (_FIRST_KEYWORD + number)


def _size(key: SearchKey, _: Sequence[str]) -> Test:
    return lambda columns: in_range(columns.sizes.astype(np.int64), key.size)


def _internal_date(key: SearchKey, _: Sequence[str]) -> Test:
    def test(columns: Columns) -> Mask:
        dates = columns.internal_dates
        zone_minutes = (dates & 0xFFFF).astype(np.uint16).astype(np.int16).astype(np.int64)
        return in_range(((dates >> 16) + zone_minutes * 60) // _DAY, key.internal_date)

    return test


def _save_date(key: SearchKey, _: Sequence[str]) -> Test:
    return lambda columns: in_range(columns.save_dates.astype(np.int64) // _DAY, key.save_date)


def _modseq(key: SearchKey, _: Sequence[str]) -> Test:
    return lambda columns: columns.modseqs >= np.uint64(key.modseq)


def in_range(values: npt.NDArray[np.int64], wanted: SearchKey.Range) -> Mask:
    mask = values >= wanted.min
    return mask & (values < wanted.max) if wanted.max else mask


COLUMN_KEYS: dict[str, Callable[[SearchKey, Sequence[str]], Test]] = {
    "all": _all,
    "uids": _uids,
    "flags": _flags,
    "size": _size,
    "internal_date": _internal_date,
    "save_date": _save_date,
    "modseq": _modseq,
}
