"""What a search reads: columns of a mailbox's view, its summaries, octets of one message at a time."""

from collections.abc import AsyncGenerator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.store.summary import Summary

Uids = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]


class Columns(Protocol):
    """One row per message, by ascending UID."""

    @property
    def uids(self) -> npt.NDArray[np.uint32]: ...
    @property
    def flags(self) -> npt.NDArray[np.uint64]: ...  # bits as in MessageColumns of the API
    @property
    def modseqs(self) -> npt.NDArray[np.uint64]: ...
    @property
    def sizes(self) -> npt.NDArray[np.uint32]: ...
    @property
    def internal_dates(self) -> npt.NDArray[np.int64]: ...  # UTC seconds << 16 | zone minutes
    @property
    def save_dates(self) -> npt.NDArray[np.uint32]: ...  # UTC seconds


class Source(Protocol):
    @property
    def columns(self) -> Columns: ...

    def summaries(self, uids: Uids) -> AsyncGenerator[tuple[int, Summary], None]:
        """With their UIDs, in order; a message that is gone is left out, and is not found."""

    async def octets(self, uid: int, start: int, end: int) -> bytes:
        """[start, end) of the message, at most PIECE octets; empty if the message is gone."""
