"""CHECK (RFC 3501 §6.4.1)"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Check:
    pass


def parse(lex: Lexer) -> Check:
    lex.end()
    return Check()
