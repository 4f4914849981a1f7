"""The words of IMAP commands (RFC 3501 §9, RFC 9051 §9): parsers in `commands/` are written in them.

A lexer walks over one complete command: the engine has already brought in its
literals, which stand inline as `{n}` CRLF and n octets. Each method takes one
piece of the grammar at the current position or raises SyntaxFault; none looks
back. Where clients in use stray from the grammar (a space too many at the end,
flags in odd case), the method's comment says what is let through.
"""

import datetime
import re

from services.common.errors import SyntaxFault
from services.imap.protocol import mutf7

#   ATOM-CHAR    = any CHAR except "(" / ")" / "{" / SP / CTL / "%" / "*" / DQUOTE / "\" / "]"
#   ASTRING-CHAR = ATOM-CHAR / "]"
#   list-char    = ATOM-CHAR / "%" / "*" / "]"
# 8-bit octets are let through where names and searched texts stand: some clients send UTF-8 bare.
ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
ASTRING = re.compile(rb'[^\x00-\x20\x7f(){%*"\\]+')
LIST = re.compile(rb'[^\x00-\x20\x7f(){"\\]+')
#   quoted = DQUOTE *(TEXT-CHAR except quoted-specials / "\" quoted-specials) DQUOTE
# A backslash before any other octet stands for that octet: passwords come in both ways.
QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\[^\r\n\x00])*)"')
ESCAPED = re.compile(rb"\\(.)")
LITERAL = re.compile(rb"\{([0-9]{1,10})\+?\}\r\n")
NUMBER = re.compile(rb"[0-9]{1,20}")
#   flag = "\Answered" / ... / flag-keyword / flag-extension ("\" atom)
FLAG = re.compile(rb'\\?[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
#   date = date-day "-" date-month "-" date-year, with or without DQUOTEs
DATE = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1')
#   date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
DATE_TIME = re.compile(
    rb'"([ 0-9]?[0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
STRING_STARTS = frozenset(b'"{')
MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")

MAX_NUMBER = 2**32 - 1
MAX_MOD_SEQUENCE = 2**63 - 1  # RFC 7162 §7
EPOCH = datetime.date(1970, 1, 1)


class Lexer:
    """A position in one complete command."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def peek(self) -> int:
        """The octet ahead; -1 at the end."""
        return self.data[self.position] if self.position < len(self.data) else -1

    def accept(self, token: bytes) -> bool:
        """Take exactly these octets, without regard to case, if they are ahead."""
        end = self.position + len(token)
        if self.data[self.position : end].upper() != token.upper():
            return False
        self.position = end
        return True

    def expect(self, token: bytes) -> None:
        if not self.accept(token):
            raise SyntaxFault(f"Expected {token.decode('ascii')!r}{self._where()}")

    def sp(self) -> None:
        if not self.accept(b" "):
            raise SyntaxFault(f"Expected a space{self._where()}")

    def end(self) -> None:
        """Nothing more; spaces at the end are let through."""
        if self.data[self.position :].strip(b" "):
            raise SyntaxFault(f"Nothing more was expected{self._where()}")

    def rest(self) -> bytes:
        """All that is left."""
        found = self.data[self.position :]
        self.position = len(self.data)
        return found

    # -- strings ------------------------------------------------------------------------

    def word(self) -> bytes:
        """An atom that names something of the protocol: in upper case."""
        return self.atom().upper()

    def atom(self) -> bytes:
        return self._match(ATOM, "an atom")[0]

    def astring(self) -> bytes:
        """astring = 1*ASTRING-CHAR / string"""
        if self.peek() in STRING_STARTS:
            return self.string()
        return self._match(ASTRING, "a string")[0]

    def string(self) -> bytes:
        """string = quoted / literal"""
        if self.peek() == 0x22:
            found = self._match(QUOTED, "a quoted string")[1]
            return ESCAPED.sub(rb"\1", found) if b"\\" in found else found
        size = int(self._match(LITERAL, "a string")[1])
        start, self.position = self.position, self.position + size
        if self.position > len(self.data):
            raise SyntaxFault("The literal is cut off")
        literal = self.data[start : self.position]
        if b"\0" in literal:
            raise SyntaxFault("NUL is not allowed here")
        return literal

    def nstring(self) -> bytes | None:
        """nstring = string / nil"""
        if self.peek() in STRING_STARTS:
            return self.string()
        self.expect(b"NIL")
        return None

    def list_mailbox(self) -> bytes:
        """list-mailbox = 1*list-char / string: a pattern, as sent"""
        if self.peek() in STRING_STARTS:
            return self.string()
        return self._match(LIST, "a mailbox pattern")[0]

    def mailbox(self) -> str:
        """mailbox = "INBOX" / astring; INBOX in any case is INBOX, also as the first level."""
        return normal_mailbox(mutf7.decode(self.astring()))

    # -- numbers and dates --------------------------------------------------------------

    def number(self) -> int:
        return self._number(MAX_NUMBER)

    def nz_number(self) -> int:
        found = self._number(MAX_NUMBER)
        if not found:
            raise SyntaxFault("The number must not be 0")
        return found

    def number64(self) -> int:
        return self._number(MAX_MOD_SEQUENCE)

    def mod_sequence(self) -> int:
        """mod-sequence-valzer = "0" / mod-sequence-value (RFC 7162 §7)"""
        return self._number(MAX_MOD_SEQUENCE)

    def date(self) -> int:
        """Days since 1970-01-01."""
        found = self._match(DATE, "a date")
        return _days(found[2], found[3], found[4])

    def date_time(self) -> int:
        """As in MessageColumns.internal_dates: UTC seconds and zone."""
        found = self._match(DATE_TIME, "a date and time")
        hour, minute, second = int(found[4]), int(found[5]), int(found[6])
        zone = int(found[8]) * 60 + int(found[9])
        if hour > 23 or minute > 59 or second > 60 or int(found[8]) > 23 or int(found[9]) > 59:
            raise SyntaxFault("There is no such time")
        if found[7] == b"-":
            zone = -zone
        local = _days(found[1], found[2], found[3]) * 86400 + hour * 3600 + minute * 60 + second
        return (local - zone * 60) << 16 | zone & 0xFFFF

    # -- flags --------------------------------------------------------------------------

    def flag(self) -> bytes:
        """A flag as sent; system flags in the case that the RFC writes them in."""
        found = self._match(FLAG, "a flag")[0]
        return b"\\" + found[1:].capitalize() if found.startswith(b"\\") else found

    def flag_list(self) -> list[bytes]:
        """flag-list = "(" [flag *(SP flag)] ")" """
        self.expect(b"(")
        flags: list[bytes] = []
        while not self.accept(b")"):
            if flags:
                self.sp()
            flags.append(self.flag())
        return flags

    # -- inside -------------------------------------------------------------------------

    def _match(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        found = pattern.match(self.data, self.position)
        if found is None:
            raise SyntaxFault(f"Expected {what}{self._where()}")
        self.position = found.end()
        return found

    def _number(self, limit: int) -> int:
        found = int(self._match(NUMBER, "a number")[0])
        if found > limit:
            raise SyntaxFault("The number is too large")
        return found

    def _where(self) -> str:
        return " at the end" if self.position >= len(self.data) else f" at octet {self.position}"


def normal_mailbox(name: str) -> str:
    """The name that stands for all spellings of INBOX (RFC 3501 §5.1)."""
    head, slash, rest = name.partition("/")
    return f"INBOX{slash}{rest}" if head.upper() == "INBOX" else name


def _days(day: bytes, month: bytes, year: bytes) -> int:
    try:
        return (datetime.date(int(year), MONTHS.index(month.lower()) + 1, int(day)) - EPOCH).days
    except ValueError:
        raise SyntaxFault("There is no such date") from None
