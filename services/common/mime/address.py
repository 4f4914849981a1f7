"""Address lists of header fields, as ENVELOPE has them (RFC 5322 §3.4, RFC 9051 §7.5.2).

Lenient: whatever people send becomes some list of addresses. Phrases and
encoded words keep their octets; quoting and comments go.
"""

import re
from typing import NamedTuple

from services.common.mime.wire import NIL, quote

# The envelope of one message stays within bounds: what a field has beyond is left out.
MAX_ADDRESSES = 1000
MAX_FIELD = 32 * 1024


class Address(NamedTuple):
    """`host` None: the start of a group named `mailbox`, or its end where that is None too."""

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


GROUP_END = Address(None, None, None, None)

# What nearly all addresses are: a name that is plain or simply quoted, or none. Nothing in them
# needs a backslash, so in US-ASCII they go into the wire form as they are.
_ATOM = rb"[!#-'*+\-./0-9=?A-Z^-~]"
_SIMPLE = re.compile(
    rb'\s*+(?:(?:"([^"\\\r\n\0\x80-\xff]*+)"|(' + _ATOM + rb"++(?:[ ]" + _ATOM + rb"++)*))?\s*+"
    rb"<(" + _ATOM + rb"++)@(" + _ATOM + rb"++)>|(" + _ATOM + rb"++)@(" + _ATOM + rb"++))\s*+(,|$)"
).match
_TOKEN = re.compile(
    rb'"([^"\\]*+(?:\\.[^"\\]*+)*)(?:"|\\?$)'  # quoted-string, perhaps not closed
    rb"|(\[[^\]]*+\]?)"  # domain-literal
    rb"|([<>@,;:()\\\]])"  # specials, each its own
    rb'|([^\s<>@,;:()\\\[\]"]++)',  # atom, dots included
    re.DOTALL,
)
_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_COMMENT_STEP = re.compile(rb"\\.|[()]", re.DOTALL)

_WORD, _MARK, _GAP = 0, 1, 2


def address_list(value: bytes | None) -> bytes:
    """The wire form of a field's addresses: a list, or NIL where there are none."""
    if value is None:
        return NIL
    value = value[:MAX_FIELD]
    position = 0
    pieces: list[bytes] = []
    while match := _SIMPLE(value, position):
        quoted, phrase, mailbox, host, bare, bare_host, comma = match.groups()
        if bare is not None:
            piece = b'(NIL NIL "%b" "%b")' % (bare, bare_host)
        elif name := quoted or phrase:
            piece = b'("%b" NIL "%b" "%b")' % (name, mailbox, host)
        else:
            piece = b'(NIL NIL "%b" "%b")' % (mailbox, host)
        if not (comma or pieces):
            return b"(%b)" % piece
        pieces.append(piece)
        if not comma:
            return b"(%b)" % b"".join(pieces[:MAX_ADDRESSES])
        position = match.end()
    addresses = parse_addresses(value)
    if not addresses:
        return NIL
    return b"(%b)" % b"".join([_wire(address) for address in addresses])


def _wire(address: Address) -> bytes:
    return b"(%b)" % b" ".join([NIL if part is None else quote(part) for part in address])


def parse_addresses(value: bytes) -> list[Address]:
    return _Parser(_tokens(value[:MAX_FIELD])).run()


def _tokens(value: bytes) -> list[tuple[int, bytes, bool]]:
    """(kind, text, preceded by white space). Comments come as gaps that carry their text."""
    tokens: list[tuple[int, bytes, bool]] = []
    position = end = 0
    while match := _TOKEN.search(value, position):
        spaced = match.start() > end
        position = end = match.end()
        quoted, literal, special, atom = match.groups()
        if special == b"(":
            position = end = _comment_end(value, position)
            text = value[match.end() : position].removesuffix(b")")
            tokens.append((_GAP, _PAIR.sub(rb"\1", text).strip(), spaced))
        elif special is not None:
            tokens.append((_MARK, special, spaced))
        elif quoted is not None:
            text = _PAIR.sub(rb"\1", quoted) if b"\\" in quoted else quoted
            tokens.append((_WORD, text.replace(b"\r\n", b""), spaced))
        else:
            tokens.append((_WORD, atom or literal, spaced))
    return tokens


def _comment_end(value: bytes, position: int) -> int:
    depth = 1
    while match := _COMMENT_STEP.search(value, position):
        position = match.end()
        if match[0] == b"(":
            depth += 1
        elif match[0] == b")":
            depth -= 1
            if depth == 0:
                return position
    return len(value)


class _Parser:
    """address-list over tokens: everything up to a comma, semicolon, colon or bracket is one address."""

    def __init__(self, tokens: list[tuple[int, bytes, bool]]) -> None:
        self.tokens = tokens
        self.addresses: list[Address] = []
        self.words: list[tuple[int, bytes, bool]] = []
        self.comment: bytes | None = None
        self.in_group = False

    def run(self) -> list[Address]:
        position = 0
        while position < len(self.tokens) and len(self.addresses) < MAX_ADDRESSES:
            kind, text, _ = token = self.tokens[position]
            position += 1
            if kind == _GAP:
                self.comment = text
            elif kind == _WORD or text in b"@>\\])":
                self.words.append(token)
            elif text == b"<":
                position = self._angle(position)
            elif text == b":" and not self.in_group:
                self._open_group()
            else:
                self._finish_bare()
                if text == b";":
                    self._close_group()
        self._finish_bare()
        self._close_group()
        return self.addresses

    def _open_group(self) -> None:
        self.addresses.append(Address(None, None, _phrase(self.words) or b"", None))
        self.words, self.comment, self.in_group = [], None, True

    def _close_group(self) -> None:
        if self.in_group:
            self.addresses.append(GROUP_END)
            self.in_group = False

    def _angle(self, position: int) -> int:
        """angle-addr = "<" [obs-route] addr-spec ">"; what stands before it is the name."""
        inside: list[tuple[int, bytes, bool]] = []
        # A route has commas of its own: obs-route = "@" domain *("," "@" domain) ":"
        colon_seen = position >= len(self.tokens) or self.tokens[position][:2] != (_MARK, b"@")
        while position < len(self.tokens):
            token = self.tokens[position]
            if token[0] == _MARK and token[1] in (b">,;" if colon_seen else b">;"):
                position += token[1] == b">"
                break
            colon_seen = colon_seen or token[:2] == (_MARK, b":")
            if token[0] != _GAP:
                inside.append(token)
            position += 1
        route: bytes | None = None
        if inside and inside[0][:2] == (_MARK, b"@"):
            colon = next((i for i, t in enumerate(inside) if t[:2] == (_MARK, b":")), 0)
            route = b"".join([text for _, text, _ in inside[:colon]]) or None
            inside = inside[colon + 1 :]
        name = _phrase(self.words) or self.comment
        self._add(name, route, inside)
        # A comment may follow; anything else up to the comma is noise.
        while position < len(self.tokens) and self.tokens[position][1] not in (b",", b";"):
            position += 1
        return position

    def _finish_bare(self) -> None:
        if self.words:
            self._add(self.comment, None, self.words)
        self.words, self.comment = [], None

    def _add(self, name: bytes | None, route: bytes | None, spec: list[tuple[int, bytes, bool]]) -> None:
        at = next((i for i in range(len(spec) - 1, -1, -1) if spec[i][:2] == (_MARK, b"@")), None)
        if at is None:  # no domain: an empty host, since NIL would open a group
            mailbox, host = _phrase(spec), b""
        else:
            mailbox = b"".join([text for _, text, _ in spec[:at]])
            host = b"".join([text for _, text, _ in spec[at + 1 :]])
        if mailbox or host or name:
            self.addresses.append(Address(name or None, route, mailbox or b"", host))
        self.words, self.comment = [], None


def _phrase(words: list[tuple[int, bytes, bool]]) -> bytes | None:
    """The words with one space where the field had any."""
    pieces: list[bytes] = []
    for _, text, spaced in words:
        if pieces and spaced:
            pieces.append(b" ")
        pieces.append(text)
    return b"".join(pieces) or None
