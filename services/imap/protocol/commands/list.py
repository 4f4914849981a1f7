"""LIST (RFC 3501 §6.3.8) and LSUB (§6.3.9): "LIST" SP mailbox SP list-mailbox"""

from dataclasses import dataclass

from services.imap.protocol import mutf7
from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class List:
    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Lsub:
    reference: str
    pattern: str


def parse(lex: Lexer) -> List:
    return List(*_names(lex))


def parse_lsub(lex: Lexer) -> Lsub:
    return Lsub(*_names(lex))


def _names(lex: Lexer) -> tuple[str, str]:
    lex.sp()
    reference = mutf7.decode(lex.astring())
    lex.sp()
    pattern = mutf7.decode(lex.list_mailbox())
    lex.end()
    return reference, pattern
