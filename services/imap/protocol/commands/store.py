"""STORE (RFC 3501 §6.4.6, RFC 7162 §3.1.3)

store           = "STORE" SP sequence-set SP ["(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")" SP]
                  store-att-flags
store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
"""

import enum
from dataclasses import dataclass

from services.common.errors import SyntaxFault
from services.imap.protocol import flags as flag_names
from services.imap.protocol import sequence_set
from services.imap.protocol.lexer import Lexer
from services.imap.protocol.sequence_set import SequenceSet

MAX_FLAGS = 256


class Operation(enum.Enum):
    ADD = b"+"
    REMOVE = b"-"
    REPLACE = b""


@dataclass(frozen=True, slots=True)
class Store:
    messages: SequenceSet
    uid: bool
    operation: Operation
    silent: bool
    flags: int  # system flags
    keywords: tuple[str, ...] = ()
    unchanged_since: int | None = None


def parse(lex: Lexer, uid: bool = False) -> Store:
    lex.sp()
    messages = sequence_set.parse(lex)
    lex.sp()
    unchanged_since = None
    if lex.accept(b"(UNCHANGEDSINCE "):
        unchanged_since = lex.mod_sequence()
        lex.expect(b") ")
    operation = Operation.REPLACE
    if lex.accept(b"+"):
        operation = Operation.ADD
    elif lex.accept(b"-"):
        operation = Operation.REMOVE
    lex.expect(b"FLAGS")
    silent = lex.accept(b".SILENT")
    lex.sp()
    flags, keywords = _flags(lex)
    lex.end()
    return Store(messages, uid, operation, silent, flags, keywords, unchanged_since)


def _flags(lex: Lexer) -> tuple[int, tuple[str, ...]]:
    """\\Recent is refused with every other flag that no client can set (RFC 3501 §2.3.2)."""
    if lex.peek() == 0x28:
        found = lex.flag_list()
    else:
        found = [lex.flag()]
        while lex.accept(b" "):
            found.append(lex.flag())
    if len(found) > MAX_FLAGS:
        raise SyntaxFault(f"More than {MAX_FLAGS} flags")
    flags, keywords = flag_names.split(found)
    return flags, tuple(keywords)
