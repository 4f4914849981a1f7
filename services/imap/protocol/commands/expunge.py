"""EXPUNGE (RFC 3501 §6.4.3): "EXPUNGE", and "UID EXPUNGE" SP sequence-set (RFC 4315 §2.1)"""

from dataclasses import dataclass

from services.imap.protocol import sequence_set
from services.imap.protocol.lexer import Lexer
from services.imap.protocol.sequence_set import SequenceSet


@dataclass(frozen=True, slots=True)
class Expunge:
    messages: SequenceSet | None = None  # None: all with \Deleted


def parse(lex: Lexer, uid: bool = False) -> Expunge:
    messages = None
    if uid:
        lex.sp()
        messages = sequence_set.parse(lex)
    lex.end()
    return Expunge(messages)
