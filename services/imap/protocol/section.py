"""Sections of messages, as FETCH names them (RFC 3501 §6.4.5, §9)

section         = "[" [section-msgtext / (section-part ["." section-text])] "]"
section-part    = nz-number *("." nz-number)
section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
section-text    = section-msgtext / "MIME"
header-list     = "(" astring *(SP astring) ")"
"""

import re
from dataclasses import dataclass

from services.common.errors import SyntaxFault
from services.imap.protocol import quoting
from services.imap.protocol.lexer import Lexer

PART = re.compile(rb"[1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9})*")
KIND = re.compile(rb"HEADER(?:\.FIELDS(?:\.NOT)?)?|TEXT|MIME", re.IGNORECASE)
# No message nests deeper than the scanner looks; deeper numbers name nothing.
MAX_DEPTH = 100
MAX_FIELDS = 256
#   field-name = 1*<any CHAR but CTL, SP and ":">  (RFC 5322 §3.6.8)
FIELD = re.compile(rb"[!-9;-~]{1,998}")
ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")


@dataclass(frozen=True, slots=True)
class Section:
    """Octets of a message; `label` is what the answer calls them."""

    part: tuple[int, ...] = ()
    kind: bytes = b""  # the message or part itself, HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT, MIME
    fields: tuple[bytes, ...] = ()
    offset: int = 0
    length: int | None = None  # None: to the end
    label: bytes = b"BODY[]"
    peek: bool = False  # leaves \Seen alone

    @property
    def lists_fields(self) -> bool:
        """Whether these are fields of the message's own header: a summary may hold them."""
        return not self.part and self.kind.startswith(b"HEADER.FIELDS")

    def cut(self, data: bytes) -> bytes:
        """Of the whole section, the octets that were asked for."""
        return data[self.offset :] if self.length is None else data[self.offset : self.offset + self.length]


def parse(lex: Lexer, peek: bool) -> Section:
    lex.expect(b"[")
    part = _part(lex)
    kind = _kind(lex, part)
    fields = _fields(lex) if kind.startswith(b"HEADER.FIELDS") else ()
    lex.expect(b"]")
    offset, length = _partial(lex)
    label = b"BODY[%b]" % _spec(part, kind, fields)
    if length is not None:
        label += b"<%d>" % offset
    return Section(part, kind, fields, offset, length, label, peek)


def _part(lex: Lexer) -> tuple[int, ...]:
    found = PART.match(lex.data, lex.position)
    if found is None:
        return ()
    lex.position = found.end()
    part = tuple(map(int, found[0].split(b".")))
    if len(part) > MAX_DEPTH or max(part) >= 2**32:
        raise SyntaxFault("There is no such part")
    return part


def _kind(lex: Lexer, part: tuple[int, ...]) -> bytes:
    if part and not lex.accept(b"."):
        return b""
    found = KIND.match(lex.data, lex.position)
    if found is None:
        if part or lex.peek() != 0x5D:  # "]"
            raise SyntaxFault("Unknown section")
        return b""
    lex.position = found.end()
    kind = found[0].upper()
    if kind == b"MIME" and not part:
        raise SyntaxFault("MIME is of a part")
    return kind


def _fields(lex: Lexer) -> tuple[bytes, ...]:
    lex.expect(b" (")
    fields = [_field(lex)]
    while not lex.accept(b")"):
        lex.sp()
        fields.append(_field(lex))
        if len(fields) > MAX_FIELDS:
            raise SyntaxFault(f"More than {MAX_FIELDS} header fields")
    return tuple(fields)


def _field(lex: Lexer) -> bytes:
    name = lex.astring()
    if FIELD.fullmatch(name) is None:
        raise SyntaxFault("Not the name of a header field")
    return name


def _partial(lex: Lexer) -> tuple[int, int | None]:
    """partial = "<" number "." nz-number ">" """
    if not lex.accept(b"<"):
        return 0, None
    offset = lex.number()
    lex.expect(b".")
    length = lex.nz_number()
    lex.expect(b">")
    return offset, length


def _spec(part: tuple[int, ...], kind: bytes, fields: tuple[bytes, ...]) -> bytes:
    words = [b"%d" % number for number in part]
    if kind:
        words.append(kind)
    spec = b".".join(words)
    if not fields:
        return spec
    names = [name if ATOM.fullmatch(name) else quoting.string(name) for name in fields]
    return spec + b" (%b)" % b" ".join(names)
