"""NOOP (RFC 3501 §6.1.2)"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Noop:
    pass


def parse(lex: Lexer) -> Noop:
    lex.end()
    return Noop()
