"""The Content-* fields of an entity: type, parameters, encoding, disposition, language.

RFC 2045, 2183, 2231. Defaults and repairs are those of RFC 2045 §5.2: what cannot be read is
text/plain in US-ASCII.
"""

import re
from functools import lru_cache

from services.common.mime.address import MAX_FIELD
from services.common.mime.delimiters import MAX_BOUNDARY
from services.common.mime.header import comment_end, unfold
from services.common.mime.wire import NIL, parenthesized, quote

MAX_PARAMETERS = 100
# Only short values are remembered, so that the cache stays small whatever arrives.
_CACHED_VALUE = 128
_CACHE_SIZE = 1024

_TOKEN = rb"[!#-'*+\-.0-9A-Z^-~]"
_TYPE = re.compile(rb"\s*(" + _TOKEN + rb"++)\s*/\s*(" + _TOKEN + rb"++)\s*(?:;|$)")
# The usual: one parameter, no comment, nothing folded but before it, nothing to undo.
_USUAL_TYPE = re.compile(
    rb"\s*+(" + _TOKEN + rb"++)/(" + _TOKEN + rb"++);\s*+"
    rb"([!#-'+\-.0-9A-Z^-~]++)=(?:\"([^\"\\\r\n]*+)\"|(" + _TOKEN + rb"++))\s*+"
).fullmatch
_WORD = re.compile(rb"\s*(" + _TOKEN + rb"++)")
_PARAMETER = re.compile(
    rb';\s*([^\s=;"()<>@,/\[\]?]++)\s*=\s*(?:"([^"\\]*+(?:\\.[^"\\]*+)*)"?|([^\s;"]*+))', re.DOTALL
)
_PAIR = re.compile(rb"\\(.)", re.DOTALL)
# A quoted pair, a quoted-string, a simple comment, or where another begins. The pair begins none of the
# others: else each of a row of them would be tried as the beginning of one that never ends, in time that
# grows as the square.
_COMMENT = re.compile(rb'\\.|"[^"\\]*+(?:\\.[^"\\]*+)*"|\([^()\\]*+\)|\(', re.DOTALL).search
_SECTION = re.compile(rb"([^*]+)\*(\d{1,3})(\*?)")
_LANGUAGE = re.compile(rb"[A-Za-z0-9-]{1,60}")

_ENCODINGS = frozenset((b"7BIT", b"8BIT", b"BINARY", b"BASE64", b"QUOTED-PRINTABLE"))

# IMAP4rev1 knows no other: a MESSAGE/GLOBAL (RFC 6532) is told as what it is for its clients, an attachment.
_MESSAGE = b"MESSAGE/RFC822"

Parameters = tuple[tuple[bytes, bytes], ...]


class ContentType:
    """Type and subtype in upper case, parameters in their order with upper-case names.

    Made once for all parts that say the same: what else is asked of it is kept with it.
    """

    __slots__ = ("boundary", "charset", "is_text", "leaf", "name", "subtype", "wire")

    def __init__(self, main: bytes, sub: bytes, parameters: Parameters = ()) -> None:
        self.name = b"%b/%b" % (main, sub)
        self.subtype = b'"%b" %b' % (sub, parameters_wire(parameters))
        self.wire = b'"%b" %b' % (main, self.subtype)
        self.charset = _parameter(parameters, b"CHARSET") or b""
        self.is_text = main == b"TEXT"
        self.boundary: bytes | None = None  # of a multipart
        self.leaf = self  # the type of an entity that says this and is not to be taken apart
        if main == b"MULTIPART":
            self.boundary = (_parameter(parameters, b"BOUNDARY") or b"").rstrip()
            self.leaf = TEXT_PLAIN
        elif self.name == _MESSAGE:
            self.leaf = OCTETS


def content_type(value: bytes) -> ContentType:
    """TEXT/PLAIN where the value cannot be read, or is a multipart's that no one can take apart."""
    # A boundary is in one message only.
    if len(value) <= _CACHED_VALUE and value.find(b"oundary") < 0:
        return _cached_content_type(value)
    return _content_type(value)


def _content_type(value: bytes) -> ContentType:
    value = value[:MAX_FIELD]
    match = _USUAL_TYPE(value)
    if match is not None:
        main, sub, name, quoted, plain = match.groups()
        main = main.upper()
        parameters: Parameters = ((name.upper(), quoted or plain or b""),)
    else:
        value = _without_comments(unfold(value))
        match = _TYPE.match(value)
        if match is None:
            return TEXT_PLAIN
        main, sub = match[1].upper(), match[2]
        parameters = _parameters(value[match.end(2) :])
    if main == b"TEXT" and _parameter(parameters, b"CHARSET") is None:
        parameters = ((b"CHARSET", b"us-ascii"), *parameters)  # RFC 2046 §4.1.2
    kind = ContentType(main, sub.upper(), parameters)
    if kind.boundary is not None and not 0 < len(kind.boundary) <= MAX_BOUNDARY:
        return TEXT_PLAIN
    return kind


_cached_content_type = lru_cache(_CACHE_SIZE)(_content_type)


def _parameter(parameters: Parameters, name: bytes) -> bytes | None:
    """The first of that name."""
    for key, value in parameters:
        if key == name:
            return value
    return None


def _without_comments(value: bytes) -> bytes:
    """The value with a space for each; one that does not end goes on to the end."""
    if b"(" not in value:
        return value
    pieces: list[bytes] = []
    position = start = 0  # of what is kept
    while match := _COMMENT(value, position):
        position, found = match.end(), match[0]
        if found.startswith(b"("):
            pieces.append(value[start : match.start()])
            position = start = position if found.endswith(b")") else comment_end(value, position)
    return b" ".join([*pieces, value[start:]])


def _parameters(text: bytes) -> Parameters:
    found: list[tuple[bytes, bytes]] = []
    sections = False
    for name, quoted, plain in _PARAMETER.findall(text)[:MAX_PARAMETERS]:
        value = _PAIR.sub(rb"\1", quoted) if b"\\" in quoted else quoted or plain
        found.append((name.upper(), value))
        sections = sections or b"*" in name
    return _joined(found) if sections else tuple(found)


def _joined(found: list[tuple[bytes, bytes]]) -> Parameters:
    """Continuations in one piece (RFC 2231 §3). An extended value stays percent-encoded, with its
    charset, under `NAME*`: mail programs decode it themselves and expect it so."""
    result: dict[bytes, bytes] = {}
    pieces: dict[bytes, dict[int, tuple[bytes, bool]]] = {}
    for name, value in found:
        match = _SECTION.fullmatch(name)
        if match is None:
            result.setdefault(name, value)
        else:
            pieces.setdefault(match[1], {})[int(match[2])] = (value, bool(match[3]))
    for base, numbered in pieces.items():
        extended = any(star for _, star in numbered.values())
        ordered = [numbered[index] for index in sorted(numbered)]
        value = b"".join([_escaped(text) if extended and not star else text for text, star in ordered])
        result.setdefault(base + b"*" if extended else base, value)
    return tuple(result.items())


def _escaped(text: bytes) -> bytes:
    return text.replace(b"%", b"%25").replace(b"'", b"%27")


def parameters_wire(parameters: Parameters) -> bytes:
    if not parameters:
        return NIL
    return parenthesized([quote(text) for parameter in parameters for text in parameter])


def transfer_encoding(value: bytes) -> bytes:
    """The mechanism in upper case; 7BIT where there is none (RFC 2045 §6.1)."""
    encoding = value.strip().upper()
    if encoding in _ENCODINGS:
        return encoding
    match = _WORD.match(_without_comments(value[:MAX_FIELD]))
    return match[1].upper() if match else b"7BIT"


def disposition_wire(value: bytes | None) -> tuple[bytes, bool]:
    """body-fld-dsp, and whether the part is an attachment (RFC 2183)."""
    if value is None:
        return NIL, False
    value = _without_comments(unfold(value[:MAX_FIELD]))
    match = _WORD.match(value)
    if match is None:
        return NIL, False
    kind = match[1].upper()
    parameters = parameters_wire(_parameters(value[match.end() :]))
    return b"(%b %b)" % (quote(kind), parameters), kind == b"ATTACHMENT"


def language_wire(value: bytes | None) -> bytes:
    """body-fld-lang: the tags of Content-Language (RFC 3282)."""
    tags = _LANGUAGE.findall(_without_comments(value[:MAX_FIELD])) if value is not None else []
    return parenthesized([quote(tag) for tag in tags[:MAX_PARAMETERS]]) if tags else NIL


TEXT_PLAIN = ContentType(b"TEXT", b"PLAIN", ((b"CHARSET", b"us-ascii"),))
OCTETS = ContentType(b"APPLICATION", b"OCTET-STREAM")
MESSAGE = ContentType(b"MESSAGE", b"RFC822")
