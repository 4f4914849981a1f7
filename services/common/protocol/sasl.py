"""SASL, server side: PLAIN (RFC 4616) and LOGIN, without I/O.

A mechanism is a small state object. The engine of the protocol carries lines to
it, in base64 as SMTP, POP3 and IMAP all have it, and gets a challenge to send
or the credentials. What is wrong ends as SyntaxFault; nothing here knows
whether a password is right.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.common.errors import SyntaxFault

# RFC 4954 §4: a response line may have 12,288 octets, CRLF included.
MAX_RESPONSE_LINE = 12288
# RFC 4616 §2: names and passwords up to 255 characters of up to 4 octets; ours may be longer.
MAX_FIELD = 1024


@dataclass(frozen=True, slots=True)
class Challenge:
    """Goes to the client, in base64, behind what the protocol starts a challenge with."""

    data: bytes

    @property
    def encoded(self) -> bytes:
        return base64.b64encode(self.data)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client claims. `authzid` is empty when it wants to act as itself."""

    username: str
    password: bytes = field(repr=False)
    authzid: str = ""


Step = Challenge | Credentials


class Plain:
    """One response: [authzid] NUL authcid NUL passwd (RFC 4616 §2)."""

    name = b"PLAIN"

    def start(self, initial: bytes | None) -> Step:
        """Begin, with the decoded initial response or None when the client sent none."""
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, response: bytes) -> Step:
        parts = response.split(b"\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise SyntaxFault("That is no PLAIN response")
        authzid, authcid, password = parts
        return Credentials(_name(authcid), _bounded(password), _name(authzid))


class Login:
    """Name and password, asked for one by one (draft-murchison-sasl-login §2)."""

    name = b"LOGIN"

    def __init__(self) -> None:
        self._username: str | None = None

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"Username:") if initial is None else self.respond(initial)

    def respond(self, response: bytes) -> Step:
        if self._username is None:
            if not response:
                raise SyntaxFault("The name is empty")
            self._username = _name(response)
            return Challenge(b"Password:")
        return Credentials(self._username, _bounded(response))


Mechanism = Plain | Login
MECHANISMS: Mapping[bytes, Callable[[], Mechanism]] = {Plain.name: Plain, Login.name: Login}


def mechanism(name: bytes) -> Mechanism | None:
    """A fresh state for a mechanism, by its name in any case; None for one we do not have."""
    make = MECHANISMS.get(name.upper())
    return make() if make is not None else None


def decode_initial(word: bytes) -> bytes:
    """An initial response as a command carries it: `=` is an empty one (RFC 4954 §4, RFC 4959 §3)."""
    return b"" if word == b"=" else decode(word)


def decode(line: bytes) -> bytes:
    """A response line without its CRLF; SyntaxFault for `*`, which cancels (RFC 4422 §5, RFC 4954 §4)."""
    if line == b"*":
        raise SyntaxFault("Authentication cancelled")
    if len(line) > MAX_RESPONSE_LINE - 2:
        raise SyntaxFault("Response too long")
    try:
        decoded = base64.b64decode(line, validate=True)
    except binascii.Error:
        raise SyntaxFault("That is not base64") from None
    if base64.b64encode(decoded) != line:  # stray bits or octets behind the padding
        raise SyntaxFault("That is not base64")
    return decoded


def _bounded(value: bytes) -> bytes:
    if len(value) > MAX_FIELD:
        raise SyntaxFault("Name or password too long")
    return value


def _name(value: bytes) -> str:
    try:
        return _bounded(value).decode()
    except UnicodeDecodeError:
        raise SyntaxFault("Names are UTF-8") from None
