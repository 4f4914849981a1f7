"""The octets of a message behind DATA (RFC 5321 §4.5.2): unstuffed, and ended by CRLF.CRLF only.

Nothing but <CRLF>.<CRLF> ends a message. A bare CR or LF anywhere makes the
whole message refused, because the next server might read it as a line end and
find commands in what we took for text (SMTP smuggling). The rest of such a
message is read and thrown away, so that the conversation stays in step.
"""

from enum import Enum, auto

END = b"\r\n.\r\n"
# What may be the beginning of END, or of a stuffed dot, waits for more octets.
HELD = len(END) - 1


class Problem(Enum):
    """Why a message cannot be taken."""

    BARE_LINE_END = auto()
    TOO_LARGE = auto()


class DataReader:
    """Octets in, message octets out, in any pieces."""

    __slots__ = ("_carry", "_first", "_most", "problem", "size")

    def __init__(self, most: int) -> None:
        self._most = most  # octets of the largest message
        self._carry = b"\r\n"  # the line end of DATA counts as the one before the first line
        self._first = True
        self.size = 0
        self.problem: Problem | None = None

    def feed(self, octets: bytes) -> tuple[bytes, int | None]:
        """(message octets, how many of `octets` are behind the end of the message or None before it)."""
        data = self._carry + octets
        end = data.find(END)
        if end >= 0:
            return self._take(data[: end + 2]), len(data) - end - len(END)
        cut = max(len(data) - HELD, 0)
        if data.endswith(b"\r", 0, cut):  # perhaps half of a CRLF
            cut -= 1
        elif data.endswith(b"\r\n", 0, cut):  # perhaps before a stuffed dot
            cut -= 2
        self._carry = data[cut:]
        return self._take(data[:cut]), None

    def _take(self, data: bytes) -> bytes:
        lines = data.count(b"\r\n")
        if lines != data.count(b"\n") or lines != data.count(b"\r"):
            self.problem = Problem.BARE_LINE_END
        data = data.replace(b"\r\n.", b"\r\n")
        if self._first and data:
            data, self._first = data[2:], False
        self.size += len(data)
        if self.size > self._most and self.problem is None:
            self.problem = Problem.TOO_LARGE
        return b"" if self.problem else data
