"""Line ends of appended messages: what the store keeps always has CRLF.

Some clients append with bare LF. A CR without LF is left as it is: it is no line end.
"""

import re

BARE_LF = re.compile(rb"(?<!\r)\n")


class Normaliser:
    """Mends line ends over any cutting into chunks, and notes NULs."""

    __slots__ = ("_cr", "nul")

    def __init__(self) -> None:
        self._cr = False  # the last octet was CR
        self.nul = False

    def feed(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        self.nul = self.nul or b"\0" in chunk
        after_cr, self._cr = self._cr, chunk.endswith(b"\r")
        if chunk.count(b"\n") == chunk.count(b"\r\n") + (after_cr and chunk.startswith(b"\n")):
            return chunk
        if after_cr and chunk.startswith(b"\n"):
            return b"\n" + BARE_LF.sub(b"\r\n", chunk[1:])
        return BARE_LF.sub(b"\r\n", chunk)
