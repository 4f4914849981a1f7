"""SUBSCRIBE (RFC 3501 §6.3.6): "SUBSCRIBE" SP mailbox"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Subscribe:
    mailbox: str


def parse(lex: Lexer) -> Subscribe:
    lex.sp()
    mailbox = lex.mailbox()
    lex.end()
    return Subscribe(mailbox)
