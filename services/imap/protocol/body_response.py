"""FETCH responses with sections of messages, written as their octets arrive.

A section goes out as a literal whose length is told first, so no body is ever
held whole. The price: once a literal has begun, only its last octet ends it. A
store that fails inside one leaves no way to say so but to close the connection
(`inside`); anywhere else the response is closed and the command says NO.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from services.imap.protocol.fetch_response import CLOSE, char8


class Piece(Protocol):
    """BodyPiece of the API."""

    uid: int
    section: int
    length: int
    data: bytes
    absent: bool
    first: bool
    last: bool


class Broken(Exception):
    """The pieces do not add up to what was announced."""


class BodyWriter:
    """Writes the pieces of one answer; they come in the order of messages, then of sections."""

    def __init__(
        self, send: Callable[[bytes], None], heads: Mapping[int, bytes], labels: Sequence[bytes]
    ) -> None:
        """`heads`: the response up to its sections, by UID. Messages without one are left out."""
        self._send, self._heads, self._labels = send, heads, labels
        self._uid = 0  # whose response is open
        self._skipped = False
        self._between = b""
        self._left = 0  # octets of the literal that are to come
        self.inside = False  # a literal
        self.written = 0  # messages

    def write(self, piece: Piece) -> None:
        if piece.uid != self._uid:
            self.close()
            self._open(piece.uid)
        if self._skipped:
            return
        if piece.absent:
            self._send(b"%b%b NIL" % (self._between, self._labels[piece.section]))
            self._between = b" "
            return
        data = piece.data
        if piece.first:
            self._begin(piece)
        elif not self.inside:
            raise Broken("octets that belong to no section")
        self._left -= len(data)
        self._send(char8(data))
        if self._left < 0 or (piece.last and self._left):
            self.inside = True
            raise Broken("a section of another length than was announced")
        self.inside = not piece.last

    def close(self) -> None:
        """The response that is open is complete."""
        if self.inside:
            raise Broken("a section without an end")
        if self._uid and not self._skipped:
            self._send(CLOSE)
            self.written += 1
        self._uid = 0

    def _open(self, uid: int) -> None:
        head = self._heads.get(uid)
        self._uid, self._skipped, self._between = uid, head is None, b""
        if head is not None:
            self._send(head)

    def _begin(self, piece: Piece) -> None:
        if self.inside:
            raise Broken("a section without an end")
        self._left = piece.length
        self._send(b"%b%b {%d}\r\n" % (self._between, self._labels[piece.section], piece.length))
        self._between = b" "
