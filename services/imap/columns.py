"""Columns of the API as numpy arrays, and UIDs as columns (`columns.proto`)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.imap.view import Uids

Numbers = NDArray[np.uint64]


def uids_of(column: bytes) -> Uids:
    return np.frombuffer(column, "<u4")


def numbers_of(column: bytes) -> Numbers:
    """A column of flags or modseqs."""
    return np.frombuffer(column, "<u8")


def sizes_of(column: bytes) -> NDArray[np.uint32]:
    return np.frombuffer(column, "<u4")


def dates_of(column: bytes) -> NDArray[np.int64]:
    return np.frombuffer(column, "<i8")


def packed(uids: NDArray[Any]) -> bytes:
    return uids.astype("<u4", copy=False).tobytes()
