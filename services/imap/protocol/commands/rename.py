"""RENAME (RFC 3501 §6.3.5): "RENAME" SP mailbox SP mailbox"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Rename:
    mailbox: str
    new_name: str


def parse(lex: Lexer) -> Rename:
    lex.sp()
    mailbox = lex.mailbox()
    lex.sp()
    new_name = lex.mailbox().removesuffix("/")
    lex.end()
    return Rename(mailbox, new_name)
