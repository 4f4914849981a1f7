"""AUTHENTICATE (RFC 3501 §6.2.2, RFC 4959): "AUTHENTICATE" SP auth-type [SP (base64 / "=")]"""

from dataclasses import dataclass, field

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Authenticate:
    mechanism: bytes
    initial: bytes | None = field(default=None, repr=False)  # base64; "=" is the empty response


def parse(lex: Lexer) -> Authenticate:
    lex.sp()
    mechanism = lex.word()
    initial = lex.rest().rstrip(b" ") if lex.accept(b" ") else None
    lex.end()
    return Authenticate(mechanism, initial or None)
