"""The tree of a message's entities, and what is rendered from it: BODYSTRUCTURE and the part table.

A node is made when its header ends and keeps only what will be rendered, so a
tree is bounded by the scanner's limits however large the message is.
"""

from functools import lru_cache
from typing import NamedTuple

from services.common.mime.content import (
    OCTETS,
    TEXT_PLAIN,
    ContentType,
    content_type,
    disposition_wire,
    language_wire,
    parameters_wire,
    transfer_encoding,
)
from services.common.mime.envelope import EMPTY
from services.common.mime.header import field_values, unfold
from services.common.mime.wire import NIL, quote

MAX_BOUNDARY = 200  # RFC 2046 §5.1.1 allows 70

# Only short header blocks are remembered, so that the cache stays small whatever arrives.
_CACHED_BLOCK = 256
_CACHE_SIZE = 1024

_FIELDS = b"content-id content-description content-md5 content-disposition content-language content-location"
_MORE = frozenset(_FIELDS.split())


class Part(NamedTuple):
    """Where the octets of one IMAP part number are (RFC 9051 §6.4.5.1).

    MIME is [header_start, body_start), the part itself [body_start, end). Of an
    encapsulated message (`is_message`) HEADER is [body_start, text_start) and
    TEXT [text_start, end). Types and encodings are in upper case.
    """

    number: tuple[int, ...]
    header_start: int
    body_start: int
    end: int
    content_type: bytes
    encoding: bytes
    charset: bytes
    is_message: bool = False
    text_start: int = 0


class Content(NamedTuple):
    """What the Content-* fields of an entity say, mostly rendered already."""

    type: ContentType | None  # None: no Content-Type
    encoding: bytes
    fixed: bytes  # id, description, encoding
    md5: bytes
    extension: bytes  # disposition, language, location
    is_attachment: bool


_PLAIN = Content(None, b"7BIT", b'NIL NIL "7BIT"', NIL, b"NIL NIL NIL", False)


def content_of_block(block: bytes) -> Content:
    """From a part's header block; the same few blocks come again and again."""
    return _cached_content(block) if len(block) <= _CACHED_BLOCK else content_of(field_values(block))


def content_of(fields: dict[bytes, bytes]) -> Content:
    get = fields.get
    value = get(b"content-type")
    kind = None if value is None else content_type(value)
    value = get(b"content-transfer-encoding")
    encoding = b"7BIT" if value is None else transfer_encoding(value)
    if _MORE.isdisjoint(fields):
        return Content(kind, encoding, b"NIL NIL " + quote(encoding), NIL, _PLAIN.extension, False)

    def text(name: bytes) -> bytes:
        value = get(name)
        return NIL if value is None else quote(unfold(value))

    disposition, is_attachment = disposition_wire(get(b"content-disposition"))
    fixed = b"%b %b %b" % (text(b"content-id"), text(b"content-description"), quote(encoding))
    language = language_wire(get(b"content-language"))
    extension = b"%b %b %b" % (disposition, language, text(b"content-location"))
    return Content(kind, encoding, fixed, text(b"content-md5"), extension, is_attachment)


@lru_cache(_CACHE_SIZE)
def _cached_content(block: bytes) -> Content:
    return content_of(field_values(block))


class Node:
    """One entity while its message is being scanned."""

    type = TEXT_PLAIN
    content = _PLAIN
    boundary: bytes | None = None  # of a multipart that is not closed
    digest = False
    message: "Node | None" = None  # inside a message/rfc822
    envelope = EMPTY  # of an entity that is a message
    lines = 0

    def __init__(self, header_start: int) -> None:
        self.header_start = self.body_start = self.end = header_start
        self.children: list[Node] = []

    def take(self, content: Content, default: ContentType, may_nest: bool) -> None:
        """The header is known; without `may_nest` the entity is a leaf whatever it says."""
        self.content = content
        kind = content.type or default
        if kind.main == b"MULTIPART":
            boundary = (kind.parameter(b"BOUNDARY") or b"").rstrip()
            if not may_nest or not 0 < len(boundary) <= MAX_BOUNDARY:
                kind = TEXT_PLAIN  # what no one can take apart is shown as it is
            else:
                self.boundary, self.digest = boundary, kind.sub == b"DIGEST"
        elif kind.is_message and not may_nest:
            kind = OCTETS
        self.type = kind

    def settle(self) -> None:
        """A multipart in which no part was found is shown as one text (RFC 9051 wants 1*body)."""
        if self.type.main == b"MULTIPART" and not self.children:
            self.type = TEXT_PLAIN


def body_structure(node: Node) -> bytes:
    """BODYSTRUCTURE of the node's subtree (RFC 9051 §7.5.2)."""
    kind, content = node.type, node.content
    if node.children:
        children = b"".join([body_structure(child) for child in node.children])
        return b"(%b %b %b %b)" % (
            children,
            quote(kind.sub),
            parameters_wire(kind.parameters),
            content.extension,
        )
    size = b"%d" % (node.end - node.body_start)
    if node.message is not None:
        size += b" %b %b %d" % (node.message.envelope, body_structure(node.message), node.lines)
    elif kind.main == b"TEXT":
        size += b" %d" % node.lines
    return b"(%b %b %b %b %b)" % (kind.wire, content.fixed, size, content.md5, content.extension)


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
    kind, inner = node.type, node.message
    places = node.header_start, node.body_start, node.end
    if inner is None:
        parts.append(
            Part(number, *places, kind.name, node.content.encoding, kind.charset, False, node.body_start)
        )
        _add_children(parts, node, number)
        return
    parts.append(
        Part(number, *places, kind.name, node.content.encoding, kind.charset, True, inner.body_start)
    )
    if inner.children:
        _add_children(parts, inner, number)
    else:  # part 1 of a message that is no multipart is its body
        _add_part(parts, inner, (*number, 1))
