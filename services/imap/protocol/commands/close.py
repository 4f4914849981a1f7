"""CLOSE (RFC 3501 §6.4.2)"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Close:
    pass


def parse(lex: Lexer) -> Close:
    lex.end()
    return Close()
