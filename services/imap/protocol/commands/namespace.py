"""NAMESPACE (RFC 2342)"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Namespace:
    pass


def parse(lex: Lexer) -> Namespace:
    lex.end()
    return Namespace()
