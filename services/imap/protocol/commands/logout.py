"""LOGOUT (RFC 3501 §6.1.3)"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Logout:
    pass


def parse(lex: Lexer) -> Logout:
    lex.end()
    return Logout()
