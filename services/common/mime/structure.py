"""The tree of a message's entities, and what is rendered from it: BODYSTRUCTURE and the part table.

A node is made when its header ends and keeps only what will be rendered, so a
tree is bounded by the scanner's limits however large the message is.
"""

from functools import lru_cache

from services.common.mime.content import (
    TEXT_PLAIN,
    ContentType,
    content_type,
    disposition_wire,
    language_wire,
    transfer_encoding,
)
from services.common.mime.delimiters import Delimiters
from services.common.mime.envelope import EMPTY, string_wire
from services.common.mime.header import first_values, split_fields
from services.common.mime.scan import Part
from services.common.mime.wire import NIL, quote

# Only short header blocks are remembered, so that the cache stays small whatever arrives.
_CACHED_BLOCK = 256
_CACHE_SIZE = 1024

_FIELDS = b"content-id content-description content-md5 content-disposition content-language content-location"
_MORE = frozenset(_FIELDS.split())


class Content:
    """What the Content-* fields of an entity say, mostly rendered already."""

    __slots__ = ("encoding", "extension", "fixed", "is_attachment", "tail", "type")

    def __init__(
        self,
        kind: ContentType | None,  # None: no Content-Type
        encoding: bytes = b"7BIT",
        fixed: bytes = b'NIL NIL "7BIT"',  # id, description, encoding
        md5: bytes = NIL,
        extension: bytes = b"NIL NIL NIL",  # disposition, language, location
        is_attachment: bool = False,
    ) -> None:
        self.type, self.encoding, self.fixed, self.extension = kind, encoding, fixed, extension
        self.tail = b"%b %b" % (md5, extension)
        self.is_attachment = is_attachment


_PLAIN = Content(None)


def content_of_block(block: bytes) -> Content:
    """From a part's header block; the same few blocks come again and again."""
    return _cached_content(block) if len(block) <= _CACHED_BLOCK else _content(block)


def content_of(values: dict[bytes, bytes]) -> Content:
    get = values.get
    value = get(b"content-type")
    kind = None if value is None else content_type(value)
    value = get(b"content-transfer-encoding")
    encoding = b"7BIT" if value is None else transfer_encoding(value)
    if _MORE.isdisjoint(values):
        return Content(kind, encoding, b"NIL NIL " + quote(encoding))

    disposition, is_attachment = disposition_wire(get(b"content-disposition"))
    identifier, description = string_wire(get(b"content-id")), string_wire(get(b"content-description"))
    fixed = b"%b %b %b" % (identifier, description, quote(encoding))
    language, location = language_wire(get(b"content-language")), string_wire(get(b"content-location"))
    extension = b"%b %b %b" % (disposition, language, location)
    return Content(kind, encoding, fixed, string_wire(get(b"content-md5")), extension, is_attachment)


def _content(block: bytes) -> Content:
    return content_of(first_values(split_fields(block)))


_cached_content = lru_cache(_CACHE_SIZE)(_content)


class Node:
    """One entity while its message is being scanned."""

    __slots__ = (
        *("header_start", "body_start", "end", "lines", "children", "type", "content"),
        *("delimiters", "default", "message", "envelope"),
    )

    def __init__(self, header_start: int) -> None:
        self.header_start = self.body_start = self.end = header_start
        self.lines = 0
        self.children: list[Node] = []
        self.type = TEXT_PLAIN
        self.content = _PLAIN
        self.delimiters: Delimiters | None = None  # while a multipart is not closed
        self.default = TEXT_PLAIN  # what its parts are that do not say
        self.message: Node | None = None  # inside a message/rfc822
        self.envelope = EMPTY  # of an entity that is a message


def body_structure(node: Node) -> bytes:
    """BODYSTRUCTURE of the node's subtree (RFC 9051 §7.5.2)."""
    kind, content = node.type, node.content
    if node.children:
        children = b"".join([body_structure(child) for child in node.children])
        return b"(%b %b %b)" % (children, kind.subtype, content.extension)
    size = node.end - node.body_start
    message = node.message
    if message is not None:
        inner = b"%b %b" % (message.envelope, body_structure(message))
        return b"(%b %b %d %b %d %b)" % (kind.wire, content.fixed, size, inner, node.lines, content.tail)
    kind = kind.leaf
    if kind.is_text:
        return b"(%b %b %d %d %b)" % (kind.wire, content.fixed, size, node.lines, content.tail)
    return b"(%b %b %d %b)" % (kind.wire, content.fixed, size, content.tail)


def part_table(top: Node) -> tuple[Part, ...]:
    """The parts by number, depth first (RFC 9051 §6.4.5.1)."""
    parts: list[Part] = []
    if top.children:
        _add_children(parts, top, ())
    else:
        _add_part(parts, top, (1,))
    return tuple(parts)


def _add_children(parts: list[Part], multipart: Node, prefix: tuple[int, ...]) -> None:
    for index, child in enumerate(multipart.children, 1):
        _add_part(parts, child, (*prefix, index))


def _add_part(parts: list[Part], node: Node, number: tuple[int, ...]) -> None:
    kind, inner, encoding = node.type, node.message, node.content.encoding
    start, body, end = node.header_start, node.body_start, node.end
    if node.children:
        parts.append(Part(number, start, body, end, kind.name, encoding, kind.charset, False, body))
        _add_children(parts, node, number)
    elif inner is None:
        kind = kind.leaf
        parts.append(Part(number, start, body, end, kind.name, encoding, kind.charset, False, body))
    else:
        text = inner.body_start
        parts.append(Part(number, start, body, end, kind.name, encoding, kind.charset, True, text))
        if inner.children:
            _add_children(parts, inner, number)
        else:  # part 1 of a message that is no multipart is its body
            _add_part(parts, inner, (*number, 1))
