"""Every SMTP command: what it looks like and in which states it may be given.

`parse` turns one line into one of the frozen dataclasses or raises: SyntaxFault
(500, 501), Refused with SEQUENCE (503) or PARAMETER (555). ABNF: RFC 5321 §4.1.1.
"""

from collections.abc import Callable
from dataclasses import dataclass

from services.common.errors import Refused, SyntaxFault
from services.common.protocol.address import Mailbox, parse_path
from services.smtp.protocol.parameters import only, parse_parameters
from services.smtp.protocol.state import State

MAX_DIGITS = 20  # RFC 1870 §4: size-value = 1*20DIGIT
MAX_HELLO = 255  # RFC 5321 §4.5.3.1.2: a domain


class UnknownCommand(SyntaxFault):
    """500: not a command at all, where 501 is one with wrong arguments."""


@dataclass(frozen=True, slots=True)
class Ehlo:
    """EHLO SP ( Domain / address-literal ) (§4.1.1.1)."""

    name: str


@dataclass(frozen=True, slots=True)
class Helo:
    """HELO SP Domain (§4.1.1.1)."""

    name: str


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL FROM: Reverse-path [SP Mail-parameters] (§4.1.1.2)."""

    reverse_path: Mailbox | None  # None: <>
    size: int = 0  # RFC 1870; 0: not said


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT TO: Forward-path [SP Rcpt-parameters] (§4.1.1.3)."""

    mailbox: Mailbox


@dataclass(frozen=True, slots=True)
class Data:
    """DATA (§4.1.1.4)."""


@dataclass(frozen=True, slots=True)
class Rset:
    """RSET (§4.1.1.5)."""


@dataclass(frozen=True, slots=True)
class Vrfy:
    """VRFY SP String (§4.1.1.6)."""

    who: bytes


@dataclass(frozen=True, slots=True)
class Help:
    """HELP [SP String] (§4.1.1.8)."""


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP [SP String] (§4.1.1.9)."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT (§4.1.1.10)."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS (RFC 3207 §4)."""


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH mechanism [initial-response] (RFC 4954 §4)."""

    mechanism: bytes
    initial: bytes | None = None  # base64 as it came

    def __repr__(self) -> str:
        return f"Auth({self.mechanism!r}, ...)"


@dataclass(frozen=True, slots=True)
class SaslResponse:
    """The line that answers a challenge."""

    line: bytes

    def __repr__(self) -> str:
        return "SaslResponse(...)"


Command = Ehlo | Helo | Mail | Rcpt | Data | Rset | Vrfy | Help | Noop | Quit | StartTls | Auth | SaslResponse


def _hello(make: type[Ehlo] | type[Helo]) -> Callable[[bytes], Command]:
    def parse_hello(rest: bytes) -> Command:
        name = rest.strip()
        if not name or len(name) > MAX_HELLO or not name.isascii() or b" " in name:
            raise SyntaxFault("A host name is needed")
        return make(name.decode("ascii"))

    return parse_hello


def _alone(command: Command) -> Callable[[bytes], Command]:
    def parse_alone(rest: bytes) -> Command:
        if rest.strip():
            raise SyntaxFault("No arguments are allowed")
        return command

    return parse_alone


def _path(rest: bytes, prefix: bytes) -> tuple[Mailbox | None, bytes]:
    if rest[: len(prefix)].upper() != prefix:
        raise SyntaxFault(f"{prefix.decode()}<address> is needed")
    # A space behind the colon is wrong and common.
    path, behind = parse_path(rest[len(prefix) :].lstrip(b" "))
    if behind and not behind.startswith(b" "):
        raise SyntaxFault("A space is needed behind the path")
    if path is not None and path.needs_smtputf8:
        raise Refused("SMTPUTF8", "Addresses beyond ASCII are not supported here")
    return path, behind


def _mail(rest: bytes) -> Command:
    path, behind = _path(rest, b"FROM:")
    if path is not None and not path.domain:  # "postmaster" alone is a recipient only (§4.1.1.3)
        raise SyntaxFault("Malformed address")
    found = parse_parameters(behind)
    only(found, frozenset({b"SIZE", b"BODY", b"AUTH"}))
    size = found.get(b"SIZE", b"0") or b""
    if not size.isdigit() or len(size) > MAX_DIGITS:
        raise SyntaxFault("SIZE is a number")
    if b"BODY" in found and (found[b"BODY"] or b"").upper() not in (b"7BIT", b"8BITMIME"):
        raise SyntaxFault("BODY is 7BIT or 8BITMIME")
    if b"AUTH" in found and not found[b"AUTH"]:
        raise SyntaxFault("AUTH needs a value")  # RFC 4954 §5; whose it is makes no difference here
    return Mail(path, int(size))


def _rcpt(rest: bytes) -> Command:
    path, behind = _path(rest, b"TO:")
    only(parse_parameters(behind), frozenset())
    if path is None:
        raise SyntaxFault("A recipient is needed")
    return Rcpt(path)


def _auth(rest: bytes) -> Command:
    words = rest.split()
    if not 1 <= len(words) <= 2:
        raise SyntaxFault("AUTH needs a mechanism and takes one initial response")
    return Auth(words[0].upper(), words[1] if len(words) == 2 else None)


def _vrfy(rest: bytes) -> Command:
    if not rest.strip():
        raise SyntaxFault("VRFY needs a name")
    return Vrfy(rest.strip())


@dataclass(frozen=True, slots=True)
class Row:
    """One command: how its arguments are read, and where it is allowed."""

    parse: Callable[[bytes], Command]
    states: frozenset[State]


_ANY = frozenset({State.GREETED, State.READY, State.MAIL, State.RCPT})
_HELLO_SAID = _ANY - {State.GREETED}
_READY = frozenset({State.READY})

COMMANDS: dict[bytes, Row] = {
    b"EHLO": Row(_hello(Ehlo), _ANY),
    b"HELO": Row(_hello(Helo), _ANY),
    b"MAIL": Row(_mail, _READY),
    b"RCPT": Row(_rcpt, frozenset({State.MAIL, State.RCPT})),
    b"DATA": Row(_alone(Data()), frozenset({State.RCPT})),
    b"RSET": Row(_alone(Rset()), _ANY),
    b"VRFY": Row(_vrfy, _ANY),
    b"HELP": Row(lambda rest: Help(), _ANY),
    b"NOOP": Row(lambda rest: Noop(), _ANY),
    b"QUIT": Row(_alone(Quit()), _ANY),
    b"STARTTLS": Row(_alone(StartTls()), _HELLO_SAID),
    b"AUTH": Row(_auth, _READY),
}


def parse(line: bytes, state: State) -> Command:
    """The command of a line without its CRLF."""
    keyword, _, rest = line.partition(b" ")
    row = COMMANDS.get(keyword.upper())
    if row is None:
        raise UnknownCommand("Unknown command")
    if state not in row.states:
        raise Refused("SEQUENCE", _out_of_place(keyword.upper(), state))
    return row.parse(rest)


def _out_of_place(keyword: bytes, state: State) -> str:
    if state is State.GREETED:
        return "Say EHLO first"
    if keyword == b"RCPT":
        return "MAIL first"
    if keyword == b"DATA":
        return "No valid recipients"
    return "Not during a transaction"
