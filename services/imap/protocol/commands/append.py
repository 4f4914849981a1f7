"""APPEND (RFC 3501 §6.3.11): "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal

Only what stands before the message is parsed here; the message itself streams.
"""

from dataclasses import dataclass

from services.imap.protocol import flags as flag_names
from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Append:
    mailbox: str
    flags: int = 0  # system flags
    keywords: tuple[str, ...] = ()
    internal_date: int = 0  # as in MessageColumns; 0: now


def parse(lex: Lexer) -> Append:
    """Of the command up to the `{` of the message's literal."""
    lex.sp()
    mailbox = lex.mailbox()
    lex.sp()
    bits, keywords, internal_date = 0, list[str](), 0
    if lex.peek() == 0x28:
        # Clients copy all flags of a message; \Recent among them is nobody's to set.
        bits, keywords = flag_names.split([flag for flag in lex.flag_list() if flag != b"\\Recent"])
        lex.sp()
    if lex.peek() == 0x22:
        internal_date = lex.date_time()
        lex.sp()
    lex.end()
    return Append(mailbox, bits, tuple(keywords), internal_date)
