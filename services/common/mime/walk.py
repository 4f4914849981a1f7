"""The walk over a message's entities, in chunks as they come: the reference for what a scan finds.

Invariants: any octets in any chunking give the same `Scan`, and nothing
raises; no body is kept. What is kept is bounded: header blocks of
`MAX_HEADER` each and `MAX_HEADERS` in all, `MAX_PARTS` parts, `MAX_DEPTH`
levels. Past a limit a message is still served, only taken apart less far.

Most messages are short, and what they cost is the number of calls, not that of octets:
the steps below are few, and nothing is looked for twice. Its fast twin is `whole.pyx`.
"""

import re

from services.common.mime.content import MESSAGE, TEXT_PLAIN
from services.common.mime.delimiters import NOT_FOUND, Delimiters
from services.common.mime.envelope import envelope, sent_date
from services.common.mime.header import first_values, split_fields, unfold
from services.common.mime.scan import Scan
from services.common.mime.structure import Node, body_structure, content_of, content_of_block, part_table
from services.common.mime.text import PREVIEW_OCTETS, preview

MAX_HEADER = 256 * 1024
MAX_HEADERS = 1024 * 1024
MAX_PARTS = 1000
MAX_DEPTH = 100
MAX_MESSAGE_ID = 998  # a line (RFC 5322 §2.1.1)

_HEADER_END = re.compile(rb"\n\r?\n").search
# A preview is made of these.
_SHOWN = frozenset((b"TEXT/PLAIN", b"TEXT/HTML"))


class Walk:
    """`feed` octets, then `finish`. Positions are within the octets at hand; `_base` is where those begin."""

    def __init__(self) -> None:
        # Every header begins behind a newline; the message's own behind one that is made up.
        self._rest = b"\n"  # octets already looked at that the next ones may complete
        self._base = -1
        self._position = 1  # up to which `_rest` is dealt with
        self._pure = True
        self._top = Node(0)
        self._open = [self._top]  # from the message down to the entity being read
        self._in_header = True
        self._cut: bytes | None = None  # the kept beginning of a header block over its limit
        self._headers_left = MAX_HEADERS
        self._header = b""  # the message's own
        self._fields: list[tuple[bytes, bytes]] = []
        self._values: dict[bytes, bytes] = {}
        self._part_count = 1
        self._messages = 0  # how many of the open entities hold a message
        self._delimiters: Delimiters | None = None  # of the open multiparts
        self._newlines = 0  # of all stretches whose lines BODYSTRUCTURE tells
        self._counted = 0  # how far they have been counted, from the start of the message
        self._counting = False  # whether those that come now count
        self._preview_of: Node | None = None
        self._preview: list[bytes] = []
        self._preview_left = PREVIEW_OCTETS

    @property
    def unfinished(self) -> int:
        """How many octets are looked at again with the next ones."""
        return len(self._rest)

    def feed(self, fresh: bytes) -> None:
        self._scan(fresh, False)

    def finish(self, fresh: bytes) -> Scan:
        self._scan(fresh, True)
        top, values, shown = self._top, self._values, self._preview_of
        text = b""
        if shown is not None:
            kind = shown.type
            text = preview(
                b"".join(self._preview), shown.content.encoding, kind.charset, kind.name == b"TEXT/HTML"
            )
        return Scan(
            top.end,
            top.envelope,
            body_structure(top),
            self._header,
            top.body_start,
            self._fields,
            unfold(values.get(b"message-id", b"")[:MAX_MESSAGE_ID]),
            sent_date(values.get(b"date")),
            text,
            part_table(top),
            self._pure,
        )

    def _scan(self, fresh: bytes, final: bool) -> None:
        if self._pure:
            self._pure = fresh.isascii() and 0 not in fresh
        data = self._rest + fresh
        position = self._scan_entities(data, self._position, final)
        if final:
            self._close(0, data, len(data))
            return
        # What may be the line break before a delimiter stays, and the octet before that.
        keep = max(0, position - 3)
        self._rest = data[keep:]
        self._position = position - keep
        self._count(data, self._base + keep)
        self._base += keep

    def _scan_entities(self, data: bytes, position: int, final: bool) -> int:
        """Each turn takes the innermost entity up to the next delimiter, or to what begins inside it.

        Answers up to where all is dealt with. While a header is read the position stays at its start
        (unless the header is being cut). Delimiters are looked for only up to where the header ends, and
        then on to the first: however deep the entities are, no octet is looked at more than a few times.
        """
        empty = header_end = -1  # where the next empty line is
        while True:
            stop = len(data)
            if self._in_header:
                if empty < position - 1:
                    match = _HEADER_END(data, position - 1)
                    empty, header_end = (stop, -1) if match is None else match.span()
                stop = empty
            newline, after, level, closes = NOT_FOUND
            if self._delimiters is not None:
                newline, after, level, closes = self._delimiters.find(
                    data, position - 1, stop, final, self._part_count < MAX_PARTS
                )
            stop = len(data)
            if level >= 0:  # the line break before a delimiter belongs to it (RFC 2046 §5.1.1)
                stop = newline - 1 if data[newline - 1] == 13 else newline
            if self._in_header:
                complete = newline < 0 and header_end >= 0
                if complete:
                    end = header_end
                elif level >= 0 or final:  # it lacks its empty line
                    end = max(position, stop)
                else:
                    return self._wait_in_header(data, position, newline)
                is_leaf = self._end_header(data, position, end)
                position = end
                if complete or (level < 0 and not is_leaf):
                    continue
            if level < 0 and not final and self._delimiters is not None:
                # A delimiter that is not complete yet, if only by its first octets.
                stop = newline - 1 if newline >= 0 else stop - len(self._delimiters.needle)
            if self._open[-1] is self._preview_of and stop > position:
                self._show(data, position, stop)
            if level < 0:
                return stop if stop > position else position
            self._close(level + 1, data, stop)
            position = after
            multipart = self._open[-1]
            if closes:
                self._in_header = False
                self._end_multipart(multipart)
            else:
                child = Node(self._base + after)
                multipart.children.append(child)
                self._begin(child)
            # A multipart without parts will be shown as text.
            self._counting = self._messages > 0 or not multipart.children

    def _wait_in_header(self, data: bytes, start: int, newline: int) -> int:
        allowed = min(MAX_HEADER, self._headers_left)
        if self._cut is None:
            if len(data) - start <= allowed + 2:
                return start
            self._cut = data[start : start + allowed]
        # At the end may be the beginning of an empty line or of a delimiter.
        end = newline - 1 if newline >= 0 else len(data) - 2
        if self._delimiters is not None:
            end = min(end, len(data) - len(self._delimiters.needle))
        return max(start, end)

    def _end_header(self, data: bytes, start: int, end: int) -> bool:
        """The innermost entity's header is complete. Answers whether the entity holds no other."""
        block = data[start:end] if self._cut is None else self._cut
        if len(block) > MAX_HEADER or len(block) > self._headers_left:
            block = block[: min(MAX_HEADER, self._headers_left)]
        self._cut = None
        self._headers_left -= len(block)
        self._in_header = False
        node = self._open[-1]
        parent = None if node is self._top else self._open[-2]
        if parent is None or parent.message is node:
            fields = split_fields(block)
            values = first_values(fields)
            node.envelope, content = envelope(values), content_of(values)
            if parent is None:
                self._header, self._values = block, values
                self._fields = [(field, name) for field, name, _ in fields]
        else:
            content = content_of_block(block)
        place = node.body_start = self._base + end
        node.lines = -self._count(data, place)
        node.content = content
        kind = content.type or (TEXT_PLAIN if parent is None else parent.default)
        if kind.leaf is kind or self._part_count >= MAX_PARTS or len(self._open) >= MAX_DEPTH:
            node.type = kind = kind.leaf
            self._counting = kind.is_text or self._messages > 0
            if self._preview_of is None and kind.name in _SHOWN and not content.is_attachment:
                self._preview_of = node
            return True
        node.type = kind
        self._counting = True
        if kind.boundary is None:
            node.message = Node(place)
            node.message.lines = node.lines  # none, if a delimiter follows at once
            self._messages += 1
            self._begin(node.message)
        else:
            if kind.name == b"MULTIPART/DIGEST":
                node.default = MESSAGE
            self._delimiters = Delimiters(kind.boundary, len(self._open) - 1, self._delimiters)
            node.delimiters = self._delimiters
        return False

    def _begin(self, node: Node) -> None:
        self._open.append(node)
        self._part_count += 1
        self._in_header = True

    def _close(self, count: int, data: bytes, end: int) -> None:
        """Ends all open entities but the outer `count`."""
        if len(self._open) == count:
            return
        stop = self._base + end
        if stop < self._open[-1].body_start:
            stop = self._open[-1].body_start
        # The last line counts without its line break too.
        lines = self._count(data, stop) + (data[stop - self._base - 1] != 10)
        for node in reversed(self._open[count:]):
            node.end = stop
            node.lines += lines if stop > node.body_start else self._newlines
            if node.message is not None:
                self._messages -= 1
            if node.delimiters is not None:
                self._end_multipart(node)
            if node is self._preview_of:
                self._end_preview()
        del self._open[count:]

    def _end_multipart(self, node: Node) -> None:
        if node.delimiters is not None:
            self._delimiters, node.delimiters = node.delimiters.outside, None

    def _show(self, data: bytes, start: int, end: int) -> None:
        """Keeps the beginning of the text that the preview is made from."""
        piece = data[start : min(end, start + self._preview_left)]
        self._preview.append(piece)
        self._preview_left -= len(piece)

    def _end_preview(self) -> None:
        """A text of white space is passed over."""
        shown = b"".join(self._preview)
        if not shown or shown.isspace():
            self._preview_of, self._preview, self._preview_left = None, [], PREVIEW_OCTETS

    def _count(self, data: bytes, place: int) -> int:
        """Goes on to a place in the message; answers the newlines that counted so far."""
        if place > self._counted:
            if self._counting:
                self._newlines += data.count(b"\n", self._counted - self._base, place - self._base)
            self._counted = place
        return self._newlines
