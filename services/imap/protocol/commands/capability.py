"""CAPABILITY (RFC 3501 §6.1.1)"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Capability:
    pass


def parse(lex: Lexer) -> Capability:
    lex.end()
    return Capability()
