"""STATUS (RFC 3501 §6.3.10): "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"

HIGHESTMODSEQ is RFC 7162 §3.1.7.
"""

from dataclasses import dataclass

from services.common.errors import SyntaxFault
from services.imap.protocol.lexer import Lexer

ITEMS = frozenset({b"MESSAGES", b"RECENT", b"UIDNEXT", b"UIDVALIDITY", b"UNSEEN", b"HIGHESTMODSEQ"})


@dataclass(frozen=True, slots=True)
class Status:
    mailbox: str
    items: tuple[bytes, ...]


def parse(lex: Lexer) -> Status:
    lex.sp()
    mailbox = lex.mailbox()
    lex.expect(b" (")
    items = [lex.word()]
    while lex.accept(b" "):
        items.append(lex.word())
    lex.expect(b")")
    lex.end()
    if not ITEMS.issuperset(items):
        raise SyntaxFault("Unknown status item")
    return Status(mailbox, tuple(dict.fromkeys(items)))
