"""ID (RFC 2971): "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil)"""

from dataclasses import dataclass

from services.common.errors import SyntaxFault
from services.imap.protocol.lexer import Lexer

MAX_FIELDS = 30  # RFC 2971 §3.3


@dataclass(frozen=True, slots=True)
class Id:
    fields: tuple[tuple[bytes, bytes | None], ...]


def parse(lex: Lexer) -> Id:
    lex.sp()
    fields: list[tuple[bytes, bytes | None]] = []
    if not lex.accept(b"NIL"):
        lex.expect(b"(")
        while not lex.accept(b")"):
            if fields:
                lex.sp()
            name = lex.string()
            lex.sp()
            fields.append((name, lex.nstring()))
            if len(fields) > MAX_FIELDS:
                raise SyntaxFault("Too many fields")
    lex.end()
    return Id(tuple(fields))
