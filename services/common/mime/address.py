"""Address lists of header fields, as ENVELOPE has them (RFC 5322 §3.4, RFC 9051 §7.5.2).

Lenient: whatever people send becomes some list of addresses. Phrases and
encoded words keep their octets; quoting and comments go.
"""

import re
from typing import NamedTuple, TypeAlias

from services.common.mime.header import comment_end, unfold
from services.common.mime.wire import NIL, quote

# The envelope of one message stays within bounds: what a field has beyond is left out.
MAX_ADDRESSES = 1000
MAX_FIELD = 32 * 1024
# Of an address of an unusual form and all behind it; `"A, B" <c@d>,` has seven.
MAX_TOKENS = 4000


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
    rb"|([<>@,;:(])"  # specials, each its own
    rb'|([^\s<>@,;:(\["]++)',  # atom, dots included, and specials that mean nothing where they stand
    re.DOTALL,
)
_QUOTED, _SPECIAL = 1, 3  # groups of that
_PAIR = re.compile(rb"\\(.)", re.DOTALL)

_WORD, _MARK, _GAP = 0, 1, 2
_Token: TypeAlias = tuple[int, bytes, bool]
"""(Kind, text, preceded by white space.) Comments are gaps that carry their text."""

_NEXT = ((_MARK, b","), (_MARK, b";"))


def address_list(value: bytes | None) -> bytes:
    """The wire form of a field's addresses: a list, or NIL where there are none."""
    if value is None:
        return NIL
    value = unfold(value[:MAX_FIELD])
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
        if not comma or len(pieces) == MAX_ADDRESSES:
            return b"(%b)" % b"".join(pieces)
        position = match.end()
    pieces += [_wire(address) for address in _parsed(value[position:], MAX_ADDRESSES - len(pieces))]
    return b"(%b)" % b"".join(pieces) if pieces else NIL


def _wire(address: Address) -> bytes:
    return b"(%b)" % b" ".join([NIL if part is None else quote(part) for part in address])


def parse_addresses(value: bytes) -> list[Address]:
    return _parsed(unfold(value[:MAX_FIELD]), MAX_ADDRESSES)


def _parsed(value: bytes, most: int) -> list[Address]:
    return _Parser(_tokens(value), most).run()


def _tokens(value: bytes) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while len(tokens) < MAX_TOKENS and (match := _TOKEN.search(value, position)):
        start, end = match.span()
        spaced, position = start > position, end
        group = match.lastindex or 0
        text = match[group]
        if group == _SPECIAL:
            if text != b"(":
                tokens.append((_MARK, text, spaced))
                continue
            position = comment_end(value, end)
            text = value[end:position].removesuffix(b")")
            tokens.append((_GAP, _unescaped(text).strip(), spaced))
        else:
            tokens.append((_WORD, _unescaped(text) if group == _QUOTED else text, spaced))
    return tokens


def _unescaped(text: bytes) -> bytes:
    return _PAIR.sub(rb"\1", text) if b"\\" in text else text


class _Parser:
    """address-list over tokens: everything up to a comma, semicolon, colon or bracket is one address."""

    def __init__(self, tokens: list[_Token], most: int) -> None:
        self.tokens, self.most = tokens, most
        self.addresses: list[Address] = []
        self.words: list[_Token] = []
        self.comment: bytes | None = None
        self.in_group = False

    def run(self) -> list[Address]:
        position = 0
        while position < len(self.tokens) and len(self.addresses) < self.most:
            kind, text, _ = token = self.tokens[position]
            position += 1
            if kind == _GAP:
                self.comment = text
            elif kind == _WORD or text in b"@>":
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
        inside: list[_Token] = []
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
        while position < len(self.tokens) and self.tokens[position][:2] not in _NEXT:
            position += 1
        return position

    def _finish_bare(self) -> None:
        if self.words:
            self._add(self.comment, None, self.words)
        self.words, self.comment = [], None

    def _add(self, name: bytes | None, route: bytes | None, spec: list[_Token]) -> None:
        at = next((i for i in range(len(spec) - 1, -1, -1) if spec[i][:2] == (_MARK, b"@")), None)
        if at is None:  # no domain: an empty host, since NIL would open a group
            mailbox, host = _phrase(spec), b""
        else:
            mailbox = b"".join([text for _, text, _ in spec[:at]])
            host = b"".join([text for _, text, _ in spec[at + 1 :]])
        if mailbox or host or name:
            self.addresses.append(Address(name or None, route, mailbox or b"", host))
        self.words, self.comment = [], None


def _phrase(words: list[_Token]) -> bytes | None:
    """The words with one space where the field had any."""
    pieces: list[bytes] = []
    for _, text, spaced in words:
        if pieces and spaced:
            pieces.append(b" ")
        pieces.append(text)
    return b"".join(pieces) or None
