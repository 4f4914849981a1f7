"""FETCH (RFC 3501 §6.4.5, RFC 7162 §3.1.4)

fetch        = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" /
               fetch-att / "(" fetch-att *(SP fetch-att) ")") [SP "(" "CHANGEDSINCE" SP mod-sequence ")"]
fetch-att    = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] /
               "BODY" ["STRUCTURE"] / "UID" / "MODSEQ" /
               "BODY" [".PEEK"] section ["<" number "." nz-number ">"]
"""

import re
from dataclasses import dataclass

from services.common.errors import SyntaxFault
from services.imap.protocol import sequence_set
from services.imap.protocol.lexer import Lexer
from services.imap.protocol.section import Section
from services.imap.protocol.section import parse as parse_section
from services.imap.protocol.sequence_set import SequenceSet

NAME = re.compile(rb"[A-Za-z0-9.]+")
ATTRIBUTES = frozenset(
    {b"ENVELOPE", b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"BODY", b"BODYSTRUCTURE", b"UID", b"MODSEQ"}
)
MACROS = {
    b"FAST": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"),
    b"ALL": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE"),
    b"FULL": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE", b"BODY"),
}
# Older names of sections (RFC 3501 §6.4.5).
OLDER = {
    b"RFC822": Section(label=b"RFC822"),
    b"RFC822.HEADER": Section(kind=b"HEADER", label=b"RFC822.HEADER", peek=True),
    b"RFC822.TEXT": Section(kind=b"TEXT", label=b"RFC822.TEXT"),
}
MAX_ITEMS = 256

# An attribute by its name, or a section of the message's octets.
Item = bytes | Section


@dataclass(frozen=True, slots=True)
class Fetch:
    messages: SequenceSet
    uid: bool
    items: tuple[Item, ...]  # each once, in the order of the answer
    changed_since: int | None = None


def parse(lex: Lexer, uid: bool = False) -> Fetch:
    lex.sp()
    messages = sequence_set.parse(lex)
    lex.sp()
    items = _items(lex)
    changed_since = _changed_since(lex)
    lex.end()
    if changed_since is not None:
        items.append(b"MODSEQ")  # RFC 7162 §3.1.4.1
    if uid:
        items.insert(0, b"UID")  # RFC 3501 §6.4.8
    return Fetch(messages, uid, tuple(dict.fromkeys(items)), changed_since)


def _items(lex: Lexer) -> list[Item]:
    if not lex.accept(b"("):
        found = NAME.match(lex.data, lex.position)
        macro = MACROS.get(found[0].upper()) if found is not None else None
        if found is None or macro is None:
            return [_item(lex)]
        lex.position = found.end()
        return list(macro)
    items = [_item(lex)]
    while not lex.accept(b")"):
        lex.sp()
        items.append(_item(lex))
        if len(items) > MAX_ITEMS:
            raise SyntaxFault(f"More than {MAX_ITEMS} items")
    return items


def _item(lex: Lexer) -> Item:
    found = NAME.match(lex.data, lex.position)
    if found is None:
        raise SyntaxFault("Expected an item to fetch")
    lex.position = found.end()
    name = found[0].upper()
    if lex.peek() == 0x5B and name in (b"BODY", b"BODY.PEEK"):  # "["
        return parse_section(lex, peek=name == b"BODY.PEEK")
    if name in ATTRIBUTES:
        return name
    if name in OLDER:
        return OLDER[name]
    raise SyntaxFault("Unknown item to fetch")


def _changed_since(lex: Lexer) -> int | None:
    if not lex.accept(b" ("):
        return None
    lex.expect(b"CHANGEDSINCE ")
    modseq = lex.mod_sequence()
    lex.expect(b")")
    return modseq
