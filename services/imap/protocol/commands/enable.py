"""ENABLE (RFC 5161): "ENABLE" 1*(SP capability)"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Enable:
    capabilities: tuple[bytes, ...]


def parse(lex: Lexer) -> Enable:
    lex.sp()
    capabilities = [lex.word()]
    while lex.accept(b" "):
        capabilities.append(lex.word())
    lex.end()
    return Enable(tuple(capabilities))
