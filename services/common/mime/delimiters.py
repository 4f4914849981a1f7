"""The delimiter lines of the multiparts that are open, found by one search for all (RFC 2046 §5.1.1)."""

from collections.abc import Iterable
from typing import TypeAlias

MAX_BOUNDARY = 200  # RFC 2046 §5.1.1 allows 70
# "--" boundary ["--"] and the white space that may follow.
MAX_LINE = MAX_BOUNDARY + 1024

# The newline before a delimiter, where the next line begins, level of its multipart, whether it closes it.
# Level -1: the line is not complete yet, or (newline -1) there is none.
Found: TypeAlias = tuple[int, int, int, bool]
NOT_FOUND: Found = (-1, -1, -1, False)


class Delimiters:
    __slots__ = ("needle", "_lines")

    def __init__(self, needle: bytes, lines: dict[bytes, tuple[int, bool]]) -> None:
        self.needle = needle  # a newline and what all delimiters begin with
        self._lines = lines  # line → (level of its multipart, whether it closes it)

    def find(self, data: bytes, start: int, final: bool, may_open: bool) -> Found:
        """The first from `start`; without `may_open` the first that closes."""
        while (newline := data.find(self.needle, start)) >= 0:
            start = newline + 1
            end = data.find(b"\n", start, start + MAX_LINE)
            after = end + 1
            if end < 0:
                if len(data) >= start + MAX_LINE:
                    continue
                if not final:
                    return newline, len(data), -1, False
                end = after = len(data)
            hit = self._lines.get(data[start:end].rstrip(b" \t\r"))
            if hit is not None and (may_open or hit[1]):
                return newline, after, hit[0], hit[1]
        return NOT_FOUND


def delimiters_of(boundaries: Iterable[bytes | None]) -> Delimiters | None:
    """By level; None: no multipart. Where two have the same line it is the inner one's."""
    lines: dict[bytes, tuple[int, bool]] = {}
    needle = b""
    for level, boundary in enumerate(boundaries):
        if boundary is not None:
            line = b"--" + boundary
            lines[line] = (level, False)
            lines[line + b"--"] = (level, True)
            needle = needle or line
            while not line.startswith(needle):
                needle = needle[:-1]
    return Delimiters(b"\n" + needle, lines) if needle else None
