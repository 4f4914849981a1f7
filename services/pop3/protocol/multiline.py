"""Message octets as they go over the wire in a multi-line response (RFC 1939 §3).

Both filters take pieces of any size and keep a few octets of state; they work
on whole pieces with `bytes` operations, never line by line. `DotStuffer` sees
to leading dots and to the line end before the final dot; `TopCutter` passes
the header, the empty line and n lines of the body.
"""

import numpy as np


class DotStuffer:
    """Doubles the dot at the start of every line.

    Lines of stored messages end in CRLF. A lone LF is taken for a line end too:
    some clients do, and would take a lone-LF line of one dot for the end.
    """

    def __init__(self) -> None:
        self._at_line_start = True
        self._tail = b""  # the last two octets

    def feed(self, piece: bytes) -> bytes:
        """The same octets, stuffed. A piece without leading dots comes back as it is."""
        if not piece:
            return piece
        stuffed = piece.replace(b"\n.", b"\n..")
        if self._at_line_start and piece.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = piece.endswith(b"\n")
        self._tail = (self._tail + piece[-2:])[-2:]
        return stuffed

    def finish(self) -> bytes:
        """The end of the response, on a line of its own."""
        return b".\r\n" if self._tail in {b"", b"\r\n"} else b"\r\n.\r\n"


class TopCutter:
    """Passes a message's header, the empty line and the first `lines` lines of its body."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._in_header = True
        # What precedes the message makes "an empty first line" the same case as any other.
        self._tail = b"\r\n"
        self.done = False

    def feed(self, piece: bytes) -> bytes:
        """What of this piece belongs to the answer; `done` says that nothing more will."""
        end = 0
        if self._in_header:
            end = self._header_end(piece)
            if end < 0:
                return piece
            self._in_header = False
        end = self._body_end(piece, end)
        return piece[:end]

    def _header_end(self, piece: bytes) -> int:
        """Where the body begins in this piece; -1: not in it."""
        window = self._tail + piece
        found = window.find(b"\r\n\r\n") if len(window) >= 4 else -1
        if found < 0:
            self._tail = window[-3:]
            return -1
        return found + 4 - len(self._tail)

    def _body_end(self, piece: bytes, start: int) -> int:
        """Where the wanted lines end in this piece."""
        if self._lines == 0:
            self.done = True
            return start
        ends = piece.count(b"\n", start)
        if ends < self._lines:
            self._lines -= ends
            return len(piece)
        places = np.flatnonzero(np.frombuffer(piece, np.uint8, offset=start) == ord("\n"))
        self.done = True
        return start + int(places[self._lines - 1]) + 1
