"""COPY (RFC 3501 §6.4.7): "COPY" SP sequence-set SP mailbox"""

from dataclasses import dataclass

from services.imap.protocol import sequence_set
from services.imap.protocol.lexer import Lexer
from services.imap.protocol.sequence_set import SequenceSet


@dataclass(frozen=True, slots=True)
class Copy:
    messages: SequenceSet
    uid: bool
    mailbox: str


def parse(lex: Lexer, uid: bool = False) -> Copy:
    lex.sp()
    messages = sequence_set.parse(lex)
    lex.sp()
    mailbox = lex.mailbox()
    lex.end()
    return Copy(messages, uid, mailbox)
