"""UNSUBSCRIBE (RFC 3501 §6.3.7): "UNSUBSCRIBE" SP mailbox"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    mailbox: str


def parse(lex: Lexer) -> Unsubscribe:
    lex.sp()
    mailbox = lex.mailbox()
    lex.end()
    return Unsubscribe(mailbox)
