"""MOVE (RFC 6851 §3.1): "MOVE" SP sequence-set SP mailbox"""

from dataclasses import dataclass

from services.imap.protocol import sequence_set
from services.imap.protocol.lexer import Lexer
from services.imap.protocol.sequence_set import SequenceSet


@dataclass(frozen=True, slots=True)
class Move:
    messages: SequenceSet
    uid: bool
    mailbox: str


def parse(lex: Lexer, uid: bool = False) -> Move:
    lex.sp()
    messages = sequence_set.parse(lex)
    lex.sp()
    mailbox = lex.mailbox()
    lex.end()
    return Move(messages, uid, mailbox)
