"""The strings and lists of IMAP as octets: how ENVELOPE and BODYSTRUCTURE are written and read back.

What the scanner renders here is kept in summaries and goes to clients as it is
(RFC 9051 §7.5.2). Reading understands only what `quote` and its neighbours
write: quoted strings, literals, numbers, NIL and lists.
"""

import re
from collections.abc import Iterable
from typing import TypeAlias

NIL = b"NIL"

Value: TypeAlias = "bytes | int | list[Value] | None"

# quoted = DQUOTE *QUOTED-CHAR DQUOTE; here without the two characters that need a backslash.
_PLAIN = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-!#-\[\]-\x7f]*+").fullmatch
# No number is so long that Python would refuse to read it.
_TOKEN = re.compile(
    rb'([()])|"([^"\\]*+(?:\\.[^"\\]*+)*)"|\{(\d{1,19})\}\r\n|([0-9]{1,19})|(NIL)|[ ]+', re.DOTALL
)
_UNESCAPE = re.compile(rb"\\(.)", re.DOTALL)


def quote(value: bytes) -> bytes:
    """A string: quoted where that is possible, else a literal (8-bit text, line breaks)."""
    if _PLAIN(value):
        return b'"%b"' % value
    if b"\0" in value:
        value = value.replace(b"\0", b"")  # CHAR8 has no NUL
    if value.isascii() and b"\r" not in value and b"\n" not in value:
        return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    return NIL if value is None else quote(value)


def parenthesized(items: Iterable[bytes]) -> bytes:
    return b"(%b)" % b" ".join(items)


def parse(data: bytes) -> Value:
    """The first value in `data`; iterative, so that nesting costs no stack."""
    root: list[Value] = []
    stack = [root]
    position = 0
    while position < len(data):
        match = _TOKEN.match(data, position)
        if match is None:
            break
        position = match.end()
        bracket, quoted, length, number, nil = match.groups()
        if bracket == b"(":
            inner: list[Value] = []
            stack[-1].append(inner)
            stack.append(inner)
        elif bracket:
            if len(stack) > 1:
                stack.pop()
        elif quoted is not None:
            stack[-1].append(_UNESCAPE.sub(rb"\1", quoted) if b"\\" in quoted else quoted)
        elif length:
            end = position + int(length)
            stack[-1].append(data[position:end])
            position = end
        elif number:
            stack[-1].append(int(number))
        elif nil:
            stack[-1].append(None)
    return root[0] if root else None


def body_from_structure(structure: bytes) -> bytes:
    """BODY out of BODYSTRUCTURE: the same without extension data."""
    pieces: list[bytes] = []
    _copy_body(structure, 0, pieces)
    return b"".join(pieces)


def _copy_body(data: bytes, start: int, pieces: list[bytes]) -> int:
    """Appends the body that opens at `start` without its extension data; answers where it ends."""
    position = start + 1
    pieces.append(b"(")
    if data[position : position + 1] == b"(":  # body-type-mpart = 1*body SP media-subtype
        while data[position : position + 1] == b"(":
            position = _copy_body(data, position, pieces)
        end = _skip(data, position + 1)
        pieces.append(data[position:end])
    else:
        end = _copy_single(data, position, pieces)
    pieces.append(b")")
    while data[end : end + 1] == b" ":
        end = _skip(data, end + 1)
    return end + 1


def _copy_single(data: bytes, start: int, pieces: list[bytes]) -> int:
    """The basic fields and those of TEXT and MESSAGE/RFC822; answers where they end."""
    end = _skip(data, start)
    kind = data[start:end]
    for _ in range(6):  # subtype, parameters, id, description, encoding, octets
        end = _skip(data, end + 1)
    if kind == b'"MESSAGE"' and data.startswith(b"(", end + 1):
        end = _skip(data, end + 1)  # envelope
        pieces.append(data[start : end + 1])
        body_end = _copy_body(data, end + 1, pieces)
        end = _skip(data, body_end + 1)
        pieces.append(data[body_end:end])
        return end
    if kind == b'"TEXT"':
        end = _skip(data, end + 1)
    pieces.append(data[start:end])
    return end


def _skip(data: bytes, position: int) -> int:
    """Where the value that starts at `position` ends."""
    depth = 0
    while match := _TOKEN.match(data, position):
        position = match.end()
        if match[1] == b"(":
            depth += 1
        elif match[1]:
            depth -= 1
        elif match[3]:
            position += int(match[3])
        if depth == 0:
            return position
    return len(data)
