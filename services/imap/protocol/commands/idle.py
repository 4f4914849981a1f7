"""IDLE (RFC 2177); the DONE that ends it is a line of its own"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Idle:
    pass


def parse(lex: Lexer) -> Idle:
    lex.end()
    return Idle()
