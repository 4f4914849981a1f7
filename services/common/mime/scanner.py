"""One pass over a message, in chunks as they come, to everything FETCH and SEARCH ask of its structure.

Invariants: any octets in any chunking give the same `Scan`, and nothing
raises; no body is kept. What is kept is bounded: header blocks of
`MAX_HEADER` each and `MAX_HEADERS` in all, `MAX_PARTS` parts, `MAX_DEPTH`
levels. Past a limit a message is still served, only taken apart less far.

Buffering: small chunks are joined until `step` octets wait, so a message that
arrives whole is scanned by a few searches over one bytes object.
"""

import re
from typing import NamedTuple

from services.common.mime.content import MESSAGE, TEXT_PLAIN
from services.common.mime.envelope import envelope, sent_date
from services.common.mime.header import field_values, unfold
from services.common.mime.structure import (
    MAX_BOUNDARY,
    Node,
    Part,
    body_structure,
    content_of,
    content_of_block,
    part_table,
)
from services.common.mime.text import PREVIEW_OCTETS, preview

MAX_HEADER = 256 * 1024
MAX_HEADERS = 1024 * 1024
MAX_PARTS = 1000
MAX_DEPTH = 100
MAX_MESSAGE_ID = 998  # a line (RFC 5322 §2.1.1)
# "--" boundary ["--"] and the white space that may follow (RFC 2046 §5.1.1).
_MAX_DELIMITER = MAX_BOUNDARY + 1024
_STEP = 16 * 1024

_HEADER_END = re.compile(rb"\n\r?\n")
_EMPTY_HEADER = re.compile(rb"\r?\n")
_NONE = (-1, -1, -1, False)
# A preview is made of these.
_SHOWN = frozenset((b"TEXT/PLAIN", b"TEXT/HTML"))


class Scan(NamedTuple):
    """What is known of a message. `header` is its block with the empty line, cut at MAX_HEADER."""

    size: int
    envelope: bytes
    body_structure: bytes
    header: bytes
    header_size: int
    message_id: bytes
    date: int | None  # days since 1970-01-01 of the Date field
    preview: bytes
    parts: tuple[Part, ...]
    pure_7bit: bool  # neither 8-bit octets nor NUL


class Scanner:
    """`feed` chunks, then `finish`. Positions are within the octets at hand; `_base` is where those begin."""

    def __init__(self, step: int = _STEP) -> None:
        self._step = step
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._rest = b""  # octets already looked at that the next ones may complete
        self._position = 0  # up to which `_rest` is dealt with
        self._base = 0
        self._pure = True
        self._open = [Node(0)]  # from the message down to the entity being read
        self._top = self._open[0]
        self._in_header = True
        self._cut: bytes | None = None  # the kept beginning of a header block over its limit
        self._headers_left = MAX_HEADERS
        self._part_count = 1
        self._delimiters: dict[bytes, tuple[int, bool]] = {}  # line → (level of its multipart, closes it)
        self._needle = b""  # a newline and what all delimiters begin with; empty: there are none
        self._counted = 0  # how far newlines have been counted, from the start of the message
        self._newlines = 0
        self._header = b""
        self._fields: dict[bytes, bytes] = {}
        self._preview_of: Node | None = None
        self._preview: list[bytes] = []
        self._preview_left = PREVIEW_OCTETS

    def feed(self, chunk: bytes) -> None:
        self._waiting.append(chunk)
        self._waiting_size += len(chunk)
        # A long header is looked at again only when it has doubled.
        if self._waiting_size >= max(self._step, len(self._rest)):
            self._scan(False)

    def finish(self) -> Scan:
        self._scan(True)
        top, fields, shown = self._top, self._fields, self._preview_of
        text = b""
        if shown is not None:
            is_html = shown.type.sub == b"HTML"
            text = preview(b"".join(self._preview), shown.content.encoding, shown.type.charset, is_html)
        return Scan(
            size=top.end,
            envelope=top.envelope,
            body_structure=body_structure(top),
            header=self._header,
            header_size=top.body_start,
            message_id=unfold(fields.get(b"message-id", b"")[:MAX_MESSAGE_ID]),
            date=sent_date(fields.get(b"date")),
            preview=text,
            parts=part_table(top),
            pure_7bit=self._pure,
        )

    def _scan(self, final: bool) -> None:
        fresh = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting, self._waiting_size = [], 0
        if self._pure and not (fresh.isascii() and b"\0" not in fresh):
            self._pure = False
        data = self._rest + fresh if self._rest else fresh
        position, going = self._position, True
        while going:
            step = self._scan_header if self._in_header else self._scan_body
            position, going = step(data, position, final)
        if final:
            self._close(0, data, len(data))
            return
        # What may be the line break before a delimiter stays, and the octet before that.
        keep = max(0, position - 3)
        self._count(data, keep)
        self._rest = data[keep:]
        self._position = position - keep
        self._base += keep

    # Headers. While one is read the position stays at its start (unless it is being cut).

    def _scan_header(self, data: bytes, start: int, final: bool) -> tuple[int, bool]:
        newline, after, level, closes = _NONE
        limit = len(data)
        if self._needle:
            newline, after, level, closes = self._find_delimiter(data, start - 1, final)
            limit = newline + 1 if newline >= 0 else limit
        match = _EMPTY_HEADER.match(data, start, limit) if self._cut is None else None
        if match is None:
            match = _HEADER_END.search(data, start, limit)
        if match is not None:
            self._end_header(data, start, match.end())
            return match.end(), True
        if level >= 0:  # a delimiter ends a header that lacks its empty line
            stop = max(start, _part_end(data, newline))
            self._end_header(data, start, stop)
            return self._enter(data, stop, after, level, closes)
        if final:
            self._end_header(data, start, len(data))
            return len(data), True
        return self._wait_in_header(data, start, limit - 2)

    def _wait_in_header(self, data: bytes, start: int, limit: int) -> tuple[int, bool]:
        allowed = min(MAX_HEADER, self._headers_left)
        if self._cut is None and len(data) - start > allowed + 2:
            self._cut = data[start : start + allowed]
        if self._cut is None:
            return start, False
        # Behind the limit may be the beginning of an empty line or of a delimiter.
        return max(start, min(limit, len(data) - len(self._needle))), False

    def _end_header(self, data: bytes, start: int, end: int) -> None:
        """The innermost entity's header is complete: what is inside it begins."""
        allowed = min(MAX_HEADER, self._headers_left)
        block = data[start : min(end, start + allowed)] if self._cut is None else self._cut
        self._cut = None
        self._headers_left -= len(block)
        node = self._open[-1]
        parent = self._open[-2] if len(self._open) > 1 else None
        node.body_start = self._base + end
        node.lines = -self._count(data, end)
        if parent is None or parent.message is node:
            fields = field_values(block)
            node.envelope = envelope(fields)
            content = content_of(fields)
            if parent is None:
                self._header, self._fields = block, fields
        else:
            content = content_of_block(block)
        may_nest = len(self._open) < MAX_DEPTH and self._part_count < MAX_PARTS
        node.take(content, MESSAGE if parent is not None and parent.digest else TEXT_PLAIN, may_nest)
        self._in_header = False
        if node.boundary is not None:
            self._set_delimiters()
        elif node.type.is_message:
            node.message = Node(node.body_start)
            self._push(node.message)
        elif self._preview_of is None and node.type.name in _SHOWN and not content.is_attachment:
            self._preview_of = node

    def _push(self, node: Node) -> None:
        self._open.append(node)
        self._part_count += 1
        self._in_header = True

    # Bodies

    def _scan_body(self, data: bytes, position: int, final: bool) -> tuple[int, bool]:
        stop = len(data)
        if self._needle:
            newline, after, level, closes = self._find_delimiter(data, position - 1, final)
            if level >= 0:
                stop = _part_end(data, newline)
                self._show(data, position, stop)
                return self._enter(data, stop, after, level, closes)
            if not final:  # a delimiter that is not complete yet, if only by its first octets
                stop = max(position, newline - 1 if newline >= 0 else stop - len(self._needle))
        self._show(data, position, stop)
        return stop, False

    def _find_delimiter(self, data: bytes, start: int, final: bool) -> tuple[int, int, int, bool]:
        """The next delimiter line of any open multipart.

        (newline before it, where the next line begins, level of its multipart, whether it closes it);
        level -1: the line is not complete yet, or (newline -1) there is none.
        """
        while (newline := data.find(self._needle, start)) >= 0:
            line_end = data.find(b"\n", newline + 1, newline + 1 + _MAX_DELIMITER)
            if line_end < 0 and len(data) <= newline + _MAX_DELIMITER:
                if not final:
                    return newline, len(data), -1, False
                line_end = len(data)
            if line_end >= 0:
                hit = self._delimiters.get(data[newline + 1 : line_end].rstrip(b" \t\r"))
                if hit is not None and (hit[1] or self._part_count < MAX_PARTS):
                    return newline, min(line_end + 1, len(data)), hit[0], hit[1]
            start = newline + 1
        return _NONE

    def _enter(self, data: bytes, end: int, after: int, level: int, closes: bool) -> tuple[int, bool]:
        """At a delimiter: what is open inside its multipart ends; the next part begins, or the epilogue."""
        self._close(level + 1, data, end)
        multipart = self._open[-1]
        self._in_header = False
        if closes:
            multipart.boundary = None
            self._set_delimiters()
        else:
            child = Node(self._base + after)
            multipart.children.append(child)
            self._push(child)
        return after, True

    def _close(self, count: int, data: bytes, end: int) -> None:
        """Ends all open entities but the outer `count`."""
        stop = max(self._base + end, self._open[-1].body_start)
        newlines = self._count(data, stop - self._base)
        # The last line counts without its line break too.
        tail = 0 if data[stop - self._base - 1 : stop - self._base] == b"\n" else 1
        had_boundary = False
        while len(self._open) > count:
            node = self._open.pop()
            node.end = stop
            node.lines += newlines + (tail if stop > node.body_start else 0)
            had_boundary = had_boundary or node.boundary is not None
            node.settle()
            if node is self._preview_of and not b"".join(self._preview).strip():
                self._preview_of, self._preview, self._preview_left = None, [], PREVIEW_OCTETS
        if had_boundary:
            self._set_delimiters()

    def _set_delimiters(self) -> None:
        self._delimiters, self._needle = {}, b""
        for level, node in enumerate(self._open):
            if node.boundary is not None:
                line = b"--" + node.boundary
                self._delimiters[line] = (level, False)
                self._delimiters[line + b"--"] = (level, True)
                shared = self._needle or line
                while not line.startswith(shared):
                    shared = shared[:-1]
                self._needle = shared
        if self._needle:
            self._needle = b"\n" + self._needle

    def _count(self, data: bytes, end: int) -> int:
        """Newlines from the start of the message to `end`, each octet looked at once."""
        if self._base + end > self._counted:
            self._newlines += data.count(b"\n", self._counted - self._base, end)
            self._counted = self._base + end
        return self._newlines

    def _show(self, data: bytes, start: int, end: int) -> None:
        """Keeps the beginning of the text that the preview is made from."""
        if self._preview_left and self._open[-1] is self._preview_of and end > start:
            piece = data[start : min(end, start + self._preview_left)]
            self._preview.append(piece)
            self._preview_left -= len(piece)


def _part_end(data: bytes, newline: int) -> int:
    """The line break before a delimiter belongs to the delimiter (RFC 2046 §5.1.1)."""
    return newline - 1 if data[newline - 1 : newline] == b"\r" else newline
