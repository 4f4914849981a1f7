"""Every POP3 command: what it looks like, and in which states it may be given.

`parse` turns one line into one of the frozen dataclasses below or raises
SyntaxFault. It is called by the engine, with the state of the session.
`services/pop3/handlers/` has one file per command that performs it.

    command = keyword *(SP parameter) CRLF      RFC 2449 §3
    msg     = 1*DIGIT                           RFC 1939 §3: base 10
"""

from collections.abc import Callable
from dataclasses import dataclass

from services.common.errors import SyntaxFault
from services.pop3.protocol.state import State

# 2^31 - 1 has ten digits; no maildrop has more messages, no message more lines.
MAX_DIGITS = 10


@dataclass(frozen=True, slots=True)
class User:
    """USER name (RFC 1939 §7)."""

    name: bytes


@dataclass(frozen=True, slots=True)
class Pass:
    """PASS string (RFC 1939 §7): all that follows the one space, spaces included."""

    password: bytes

    def __repr__(self) -> str:
        return "Pass(...)"


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH mechanism [initial-response] (RFC 5034 §4)."""

    mechanism: bytes  # in upper case
    initial: bytes | None = None  # base64 as it came; None: the client waits for a challenge

    def __repr__(self) -> str:
        return f"Auth({self.mechanism!r}, ...)"


@dataclass(frozen=True, slots=True)
class Mechanisms:
    """AUTH alone: lists the mechanisms, as many servers do and some clients expect."""


@dataclass(frozen=True, slots=True)
class SaslResponse:
    """The line that answers a challenge (RFC 5034 §4)."""

    line: bytes  # base64 as it came; b"*" cancels

    def __repr__(self) -> str:
        return "SaslResponse(...)"


@dataclass(frozen=True, slots=True)
class Stls:
    """STLS (RFC 2595 §4)."""


@dataclass(frozen=True, slots=True)
class Capa:
    """CAPA (RFC 2449 §5)."""


@dataclass(frozen=True, slots=True)
class Stat:
    """STAT (RFC 1939 §5)."""


@dataclass(frozen=True, slots=True)
class List:
    """LIST [msg] (RFC 1939 §5)."""

    message: int | None = None


@dataclass(frozen=True, slots=True)
class Uidl:
    """UIDL [msg] (RFC 1939 §7)."""

    message: int | None = None


@dataclass(frozen=True, slots=True)
class Retr:
    """RETR msg (RFC 1939 §5)."""

    message: int


@dataclass(frozen=True, slots=True)
class Top:
    """TOP msg n (RFC 1939 §7)."""

    message: int
    lines: int


@dataclass(frozen=True, slots=True)
class Dele:
    """DELE msg (RFC 1939 §5)."""

    message: int


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP (RFC 1939 §5)."""


@dataclass(frozen=True, slots=True)
class Rset:
    """RSET (RFC 1939 §5)."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT (RFC 1939 §4, §6)."""


Command = (
    User
    | Pass
    | Auth
    | Mechanisms
    | SaslResponse
    | Stls
    | Capa
    | Stat
    | List
    | Uidl
    | Retr
    | Top
    | Dele
    | Noop
    | Rset
    | Quit
)


def _number(text: bytes) -> int:
    if not text.isdigit() or len(text) > MAX_DIGITS:
        raise SyntaxFault("A number is expected")
    return int(text)


def _numbers(rest: bytes, least: int, most: int) -> list[int]:
    """Between `least` and `most` numbers, one space apart; clients do send spaces at the end."""
    rest = rest.rstrip(b" ")
    words = rest.split(b" ") if rest else []
    if not least <= len(words) <= most:
        raise SyntaxFault("Wrong number of arguments")
    return [_number(word) for word in words]


def _alone(command: Command) -> Callable[[bytes], Command]:
    """The parser of a command without arguments."""

    def parse_alone(rest: bytes) -> Command:
        if rest.strip(b" "):
            raise SyntaxFault("No arguments are allowed")
        return command

    return parse_alone


def _user(rest: bytes) -> Command:
    name = rest.strip(b" ")
    if not name:
        raise SyntaxFault("USER needs a name")
    return User(name)


def _pass(rest: bytes) -> Command:
    if not rest:
        raise SyntaxFault("PASS needs a password")
    return Pass(rest)


def _auth(rest: bytes) -> Command:
    words = rest.rstrip(b" ").split(b" ")
    if words == [b""]:
        return Mechanisms()
    if not words[0] or len(words) > 2:
        raise SyntaxFault("AUTH takes a mechanism and at most one initial response")
    return Auth(words[0].upper(), words[1] if len(words) == 2 else None)


@dataclass(frozen=True, slots=True)
class Row:
    """One command: how its arguments are read, and where it is allowed."""

    parse: Callable[[bytes], Command]
    states: frozenset[State]


_LOGIN = frozenset({State.AUTHORIZATION, State.USER_GIVEN})
_MAILDROP = frozenset({State.TRANSACTION})

COMMANDS: dict[bytes, Row] = {
    b"USER": Row(_user, _LOGIN),
    b"PASS": Row(_pass, frozenset({State.USER_GIVEN})),
    b"AUTH": Row(_auth, _LOGIN),
    b"STLS": Row(_alone(Stls()), _LOGIN),
    b"CAPA": Row(_alone(Capa()), _LOGIN | _MAILDROP),
    b"STAT": Row(_alone(Stat()), _MAILDROP),
    b"LIST": Row(lambda rest: List(*_numbers(rest, 0, 1)), _MAILDROP),
    b"UIDL": Row(lambda rest: Uidl(*_numbers(rest, 0, 1)), _MAILDROP),
    b"RETR": Row(lambda rest: Retr(*_numbers(rest, 1, 1)), _MAILDROP),
    b"TOP": Row(lambda rest: Top(*_numbers(rest, 2, 2)), _MAILDROP),
    b"DELE": Row(lambda rest: Dele(*_numbers(rest, 1, 1)), _MAILDROP),
    b"NOOP": Row(_alone(Noop()), _MAILDROP),
    b"RSET": Row(_alone(Rset()), _MAILDROP),
    b"QUIT": Row(_alone(Quit()), _LOGIN | _MAILDROP),
}

_OUT_OF_PLACE = {
    State.AUTHORIZATION: "Log in first",
    State.USER_GIVEN: "Log in first",
    State.TRANSACTION: "Not after the login",
}


def parse(line: bytes, state: State) -> Command:
    """The command of a line (without its CRLF). The state is looked at before the arguments."""
    keyword, _, rest = line.partition(b" ")
    row = COMMANDS.get(keyword.upper())
    if row is None:
        raise SyntaxFault("Unknown command")
    if state not in row.states:
        if row.parse is _pass and state is State.AUTHORIZATION:
            raise SyntaxFault("USER first")
        raise SyntaxFault(_OUT_OF_PLACE[state])
    return row.parse(rest)
