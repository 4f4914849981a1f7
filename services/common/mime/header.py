"""Header fields as octets: splitting, selecting, and reading encoded words.

A field is kept exactly as it stands in the message, its line ends included;
only `unfold` and `decode_words` change anything. Lines that are no field are
skipped (RFC 5322 §2.2 is what people send, mostly).
"""

import re
from base64 import b64decode
from binascii import Error, a2b_qp
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from services.common.mime.charset import decode

# field = field-name ":" unstructured CRLF, with its folded lines (RFC 5322 §2.2.3);
# obs-optional allows white space before the colon.
_FIELD = re.compile(rb"^(([!-9;-~]++)[ \t]*+:(.*+(?:\n[ \t].*+)*)\n?)", re.MULTILINE)
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_COMMENT_STEP = re.compile(rb"\\.|\(+|\)+", re.DOTALL).finditer
_WORD = re.compile(rb"=\?([!-)+->@-~]{1,40})(?:\*[^?\s]{0,40})?\?([BbQq])\?([^?\s]{0,1000}+)\?=")

# As a number: for octets `in` first tries a number, and fails, which takes five times as long.
LF = ord("\n")

Field: TypeAlias = tuple[bytes, bytes, bytes]
"""(The field's octets with its line ends, its name as written, its raw value.)"""

split_fields: Callable[[bytes], list[Field]] = _FIELD.findall
"""All fields of a header block in order."""


def first_values(fields: list[Field]) -> dict[bytes, bytes]:
    """Raw values by lower-case name; of a repeated field the first."""
    return {name.lower(): value for _, name, value in reversed(fields)}


def unfold(value: bytes) -> bytes:
    """The value in one line, without the white space around it."""
    value = value.strip()
    return _FOLD.sub(b"", value) if LF in value else value


def comment_end(value: bytes, position: int) -> int:
    """Where the comment that opens before the position ends; comments nest (RFC 5322 §3.2.2)."""
    depth = 1
    for match in _COMMENT_STEP(value, position):
        step = match[0]
        if step.startswith(b"("):
            depth += len(step)
        elif step.startswith(b")"):
            depth -= len(step)
            if depth <= 0:  # or before the last of these
                return match.end() + depth
    return len(value)


def iterate_fields(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(lower-case name, the field's octets with its line ends), in order."""
    for field, name, _ in split_fields(block):
        yield name.lower(), field


def select_fields(block: bytes, names: Iterable[bytes], except_: bool = False) -> bytes:
    """BODY[HEADER.FIELDS (…)] or, with `except_`, HEADER.FIELDS.NOT (RFC 9051 §6.4.5.1)."""
    wanted = {name.lower() for name in names}
    chosen = [field for name, field in iterate_fields(block) if (name in wanted) != except_]
    if chosen and not chosen[-1].endswith(b"\n"):
        chosen.append(b"\r\n")
    chosen.append(b"\r\n")
    return b"".join(chosen)


def decode_words(value: bytes) -> str:
    """Unstructured text or a phrase as people read it (RFC 2047); 8-bit text is UTF-8 (RFC 6532)."""
    if b"=?" not in value:
        return decode(value, "utf-8")
    pieces: list[str] = []
    position = 0
    after_word = False
    for match in _WORD.finditer(value):
        between = value[position : match.start()]
        if not after_word or between.strip():  # RFC 2047 §6.2: white space between two words is not text
            pieces.append(decode(between, "utf-8"))
        pieces.append(_decode_word(match[1], match[2], match[3]))
        position, after_word = match.end(), True
    pieces.append(decode(value[position:], "utf-8"))
    return "".join(pieces)


def _decode_word(charset: bytes, encoding: bytes, text: bytes) -> str:
    if encoding in b"Qq":
        return decode(a2b_qp(text, header=True), charset.decode("ascii"))
    try:
        octets = b64decode(text + b"=" * (-len(text) % 4))
    except Error:
        return text.decode("ascii", "replace")
    return decode(octets, charset.decode("ascii"))
