"""STARTTLS (RFC 3501 §6.2.1)"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class StartTls:
    pass


def parse(lex: Lexer) -> StartTls:
    lex.end()
    return StartTls()
