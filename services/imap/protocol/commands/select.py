"""SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2)

"SELECT" SP mailbox [SP "(" select-param *(SP select-param) ")"]

The one parameter is CONDSTORE (RFC 7162 §3.1.8).
"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Select:
    mailbox: str
    read_only: bool = False
    condstore: bool = False


def parse(lex: Lexer) -> Select:
    return _parse(lex, read_only=False)


def parse_examine(lex: Lexer) -> Select:
    return _parse(lex, read_only=True)


def _parse(lex: Lexer, read_only: bool) -> Select:
    lex.sp()
    mailbox = lex.mailbox()
    condstore = lex.accept(b" (CONDSTORE)")
    lex.end()
    return Select(mailbox, read_only, condstore)
