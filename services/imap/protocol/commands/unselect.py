"""UNSELECT (RFC 3691)"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Unselect:
    pass


def parse(lex: Lexer) -> Unselect:
    lex.end()
    return Unselect()
