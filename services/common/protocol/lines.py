"""Lines of a protocol from octets in any pieces, each of bounded length.

An engine asks for a line or for a number of octets, as its state wants; what it
has not asked for stays here unparsed. An over-long line is thrown away as it
comes in, so that a peer can never make this buffer grow past one line and what
one read brings.
"""

from services.common.errors import SyntaxFault


class LineBuffer:
    """Octets that wait to be parsed."""

    __slots__ = ("_data", "_discarding", "_searched", "_start", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit  # octets of a line, CRLF included; may change between lines
        self._data = bytearray()
        self._start = 0  # octets before here are consumed
        self._searched = 0  # no LF before here
        self._discarding = False

    def __len__(self) -> int:
        return len(self._data) - self._start

    def receive_data(self, data: bytes) -> None:
        if self._start:
            del self._data[: self._start]
            self._searched = max(self._searched - self._start, 0)
            self._start = 0
        self._data += data

    def next_line(self) -> bytes | None:
        """The next line with its LF, None while it is incomplete; SyntaxFault once for an over-long one."""
        end = self._data.find(b"\n", max(self._searched, self._start))
        if end < 0:
            self._searched = len(self._data)
            if self._discarding or len(self) > self.limit:
                self._discarding = True
                self.clear()
            return None
        line = bytes(memoryview(self._data)[self._start : end + 1])
        self._start = self._searched = end + 1
        if self._discarding or len(line) > self.limit:
            self._discarding = False
            raise SyntaxFault("Line too long")
        return line

    def take(self, most: int) -> bytes:
        """Octets as they are, up to `most` of them; empty when none wait."""
        piece = bytes(memoryview(self._data)[self._start : self._start + most])
        self._start += len(piece)
        return piece

    def give_back(self, count: int) -> None:
        """Undo the last `count` octets of a `take` that nothing has followed."""
        self._start -= count
        self._searched = self._start

    def clear(self) -> None:
        """Forget what waits."""
        self._data.clear()
        self._start = self._searched = 0


def without_crlf(line: bytes) -> bytes:
    """The content of a line; SyntaxFault for an ending that is not CRLF, or a CR inside (RFC 5321 §2.3.8)."""
    if not line.endswith(b"\r\n"):
        raise SyntaxFault("Lines end in CRLF")
    content = line[:-2]
    if b"\r" in content or b"\n" in content:
        raise SyntaxFault("Bare CR or LF in a line")
    return content
