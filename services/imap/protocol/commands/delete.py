"""DELETE (RFC 3501 §6.3.4): "DELETE" SP mailbox"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Delete:
    mailbox: str


def parse(lex: Lexer) -> Delete:
    lex.sp()
    mailbox = lex.mailbox()
    lex.end()
    return Delete(mailbox)
