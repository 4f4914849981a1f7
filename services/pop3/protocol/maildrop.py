"""The maildrop of one session: a snapshot taken at login, numbered from 1 (RFC 1939 §4).

Two columns as the store sends them, and which messages are marked as deleted.
Nothing here changes the store: marks take effect at QUIT, all at once.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from services.common.errors import Refused
from services.pop3.protocol.replies import END

ROWS_A_PIECE = 4096  # of a listing: at most about 100 KB of octets at a time


class Maildrop:
    """Message n is row n - 1."""

    def __init__(self, uidvalidity: int, uids: bytes, sizes: bytes) -> None:
        self.uidvalidity = uidvalidity
        self._uids = np.frombuffer(uids, "<u4")
        self._sizes = np.frombuffer(sizes, "<u4")
        self._deleted: npt.NDArray[np.bool_] | None = None  # most sessions delete nothing
        self.reset()

    def reset(self) -> None:
        """Unmark all (RSET)."""
        self._deleted = None
        self.count = len(self._uids)
        self.octets = int(self._sizes.sum(dtype=np.uint64))

    def _row(self, message: int) -> int:
        if not 1 <= message <= len(self._uids):
            raise Refused("NO_SUCH_MESSAGE", f"No such message, only {len(self._uids)} in the maildrop")
        if self._deleted is not None and self._deleted[message - 1]:
            raise Refused("MESSAGE_DELETED", f"Message {message} is marked as deleted")
        return message - 1

    def delete(self, message: int) -> None:
        """Mark one message as deleted."""
        row = self._row(message)
        if self._deleted is None:
            self._deleted = np.zeros(len(self._uids), np.bool_)
        self._deleted[row] = True
        self.count -= 1
        self.octets -= int(self._sizes[row])

    def uid(self, message: int) -> int:
        """The store's name for a message that is not marked."""
        return int(self._uids[self._row(message)])

    def size(self, message: int) -> int:
        """Octets of a message that is not marked."""
        return int(self._sizes[self._row(message)])

    def unique_id(self, message: int) -> str:
        """The same in every session, and never used for another message (RFC 1939 §7)."""
        return f"{self.uidvalidity}.{self.uid(message)}"

    def deleted_uids(self) -> bytes:
        """The column of what QUIT removes."""
        return b"" if self._deleted is None else self._uids[self._deleted].tobytes()

    def size_listing(self) -> Iterator[bytes]:
        """The lines of LIST, in pieces, with the end of the response."""
        return self._listing(b"%d %d\r\n", self._sizes)

    def unique_id_listing(self) -> Iterator[bytes]:
        """The lines of UIDL, in pieces, with the end of the response."""
        return self._listing(b"%%d %d.%%d\r\n" % self.uidvalidity, self._uids)

    def _listing(self, line: bytes, column: npt.NDArray[np.uint32]) -> Iterator[bytes]:
        numbers = np.arange(1, len(column) + 1)
        if self._deleted is not None:
            numbers, column = numbers[~self._deleted], column[~self._deleted]
        for start in range(0, len(column), ROWS_A_PIECE):
            rows = slice(start, start + ROWS_A_PIECE)
            pairs = np.column_stack((numbers[rows], column[rows]))
            yield line * len(pairs) % tuple(pairs.ravel().tolist())
        yield END
