"""SEARCH (RFC 3501 §6.4.4, RFC 7162 §3.1.5)

search     = "SEARCH" [SP "CHARSET" SP astring] 1*(SP search-key)
search-key = "ALL" / "ANSWERED" / ... / "NOT" SP search-key / "OR" SP search-key SP search-key /
             sequence-set / "UID" SP sequence-set / "(" search-key *(SP search-key) ")" /
             "MODSEQ" [SP entry-name SP ("priv" / "shared" / "all")] SP mod-sequence-valzer
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from services.common.errors import SyntaxFault
from services.imap.protocol import flags, sequence_set
from services.imap.protocol.lexer import Lexer
from services.imap.protocol.search_key import (
    ALL,
    Flags,
    Header,
    Key,
    Keyword,
    Messages,
    ModSeq,
    Not,
    Range,
    Recent,
    Text,
    asks_modseq,
    both,
    depth,
    either,
)

MAX_KEYS = 4096
MAX_NESTING = 150  # as sent; every level is a call of the parser
MAX_DEPTH = 24  # as kept: chains of OR count once. Two protobuf levels each, of 100 that may be
ENTRY_TYPES = frozenset({b"PRIV", b"SHARED", b"ALL"})
SET_START = frozenset(b"0123456789*")
KEY = re.compile(rb"[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Search:
    uid: bool
    key: Key
    charset: bytes = b"US-ASCII"  # in upper case
    modseq: bool = False  # MODSEQ is asked for: the answer tells one


def parse(lex: Lexer, uid: bool = False) -> Search:
    lex.sp()
    charset = b"US-ASCII"
    if lex.accept(b"CHARSET "):
        charset = lex.astring().upper()
        lex.sp()
    keys = _Keys(lex)
    key = keys.sequence()
    lex.end()
    if depth(key) > MAX_DEPTH:
        raise SyntaxFault("The search is nested too deeply")
    return Search(uid, key, charset, asks_modseq(key))


# Keys without arguments.
FIXED: dict[bytes, Key] = {
    b"ALL": ALL,
    b"ANSWERED": Flags(flags.ANSWERED),
    b"DELETED": Flags(flags.DELETED),
    b"DRAFT": Flags(flags.DRAFT),
    b"FLAGGED": Flags(flags.FLAGGED),
    b"SEEN": Flags(flags.SEEN),
    b"UNANSWERED": Not(Flags(flags.ANSWERED)),
    b"UNDELETED": Not(Flags(flags.DELETED)),
    b"UNDRAFT": Not(Flags(flags.DRAFT)),
    b"UNFLAGGED": Not(Flags(flags.FLAGGED)),
    b"UNSEEN": Not(Flags(flags.SEEN)),
    b"RECENT": Recent(),
    b"NEW": both([Recent(), Not(Flags(flags.SEEN))]),
    b"OLD": Not(Recent()),
}


def _since(column: str, day: int) -> Key:
    return Range(column, day, None)


def _before(column: str, day: int) -> Key:
    return Range(column, None, day)


def _on(column: str, day: int) -> Key:
    return Range(column, day, day + 1)


# Keys with a day, with a number, with a text.
DAYS: dict[bytes, tuple[Callable[[str, int], Key], str]] = {
    b"SINCE": (_since, "internal_date"),
    b"BEFORE": (_before, "internal_date"),
    b"ON": (_on, "internal_date"),
    b"SENTSINCE": (_since, "sent_date"),
    b"SENTBEFORE": (_before, "sent_date"),
    b"SENTON": (_on, "sent_date"),
}
SIZES: dict[bytes, Callable[[int], Key]] = {
    b"LARGER": lambda size: Range("size", size + 1, None),
    b"SMALLER": lambda size: Range("size", None, size),
}
TEXTS = {
    b"FROM": "from",
    b"TO": "to",
    b"CC": "cc",
    b"BCC": "bcc",
    b"SUBJECT": "subject",
    b"BODY": "body",
    b"TEXT": "text",
}


class _Keys:
    """The keys of one command, counted."""

    def __init__(self, lex: Lexer) -> None:
        self._lex = lex
        self._count = self._nesting = 0

    def sequence(self) -> Key:
        """search-key *(SP search-key): all of them"""
        keys = [self.key()]
        while self._lex.accept(b" "):
            if self._lex.peek() == -1:
                break  # a space at the end is let through
            keys.append(self.key())
        return both(keys)

    def key(self) -> Key:
        self._count += 1
        self._nesting += 1
        if self._count > MAX_KEYS or self._nesting > MAX_NESTING:
            raise SyntaxFault("The search is too long")
        found = self._key()
        self._nesting -= 1
        return found

    def _key(self) -> Key:
        lex = self._lex
        if lex.accept(b"("):
            group = self.sequence()
            lex.expect(b")")
            return group
        if lex.peek() in SET_START:
            return Messages(sequence_set.parse(lex), uid=False)
        name = KEY.match(lex.data, lex.position)
        if name is None:
            raise SyntaxFault("Expected a search key")
        lex.position = name.end()
        return FIXED.get(name[0].upper()) or self._with_arguments(name[0].upper())

    def _with_arguments(self, name: bytes) -> Key:
        lex = self._lex
        if name in DAYS:
            lex.sp()
            make, column = DAYS[name]
            return make(column, lex.date())
        if name in SIZES:
            lex.sp()
            return SIZES[name](lex.number())
        if name in TEXTS:
            lex.sp()
            return Text(TEXTS[name], lex.astring())
        if name in OTHERS:
            lex.sp()
            return OTHERS[name](self)
        raise SyntaxFault("Unknown search key")

    def not_(self) -> Key:
        return Not(self.key())

    def or_(self) -> Key:
        first = self.key()
        self._lex.sp()
        return either(first, self.key())

    def uid(self) -> Key:
        return Messages(sequence_set.parse(self._lex), uid=True)

    def keyword(self) -> Key:
        return Keyword(self._lex.atom())

    def unkeyword(self) -> Key:
        return Not(Keyword(self._lex.atom()))

    def header(self) -> Key:
        field = self._lex.astring()
        self._lex.sp()
        return Header(field, self._lex.astring())

    def modseq(self) -> Key:
        """An entry that is named counts as the message: we keep one modseq for all of its flags."""
        lex = self._lex
        if lex.peek() == 0x22:
            lex.string()
            lex.sp()
            if lex.word() not in ENTRY_TYPES:
                raise SyntaxFault("Unknown entry type")
            lex.sp()
        return ModSeq(lex.mod_sequence())


OTHERS: dict[bytes, Callable[[_Keys], Key]] = {
    b"NOT": _Keys.not_,
    b"OR": _Keys.or_,
    b"UID": _Keys.uid,
    b"KEYWORD": _Keys.keyword,
    b"UNKEYWORD": _Keys.unkeyword,
    b"HEADER": _Keys.header,
    b"MODSEQ": _Keys.modseq,
}
