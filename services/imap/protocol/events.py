"""What the engine gives to the session, one at a time."""

from dataclasses import dataclass
from typing import Any

from services.imap.protocol.commands.append import Append


@dataclass(frozen=True, slots=True)
class Received:
    """A complete command that may come in this state."""

    tag: bytes
    name: bytes  # in upper case, with "UID " in front where that was said
    command: Any  # a dataclass of `commands/`


@dataclass(frozen=True, slots=True)
class BadCommand:
    """A command that is none: answered with BAD. Its octets are consumed."""

    tag: bytes  # "*" when there is none
    text: str
    code: bytes = b""
    fatal: bool = False  # what follows cannot be told apart from it: BYE


@dataclass(frozen=True, slots=True)
class ContinueNeeded:
    """The client waits for "+" before it sends a literal."""


@dataclass(frozen=True, slots=True)
class Line:
    """The line that `Engine.expect_line` asked for: a SASL response, DONE."""

    data: bytes
    too_long: bool = False


@dataclass(frozen=True, slots=True)
class AppendStart:
    """APPEND up to its message, which the client will send, or waits to be asked for.

    The session answers by `Engine.accept_append` or `Engine.refuse_append`.
    """

    tag: bytes
    command: Append
    size: int
    synchronising: bool


@dataclass(frozen=True, slots=True)
class LiteralChunk:
    """Some more of the message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AppendEnd:
    """The message is complete; `text` is empty, or says what is wrong behind it."""

    text: str = ""


Event = Received | BadCommand | ContinueNeeded | Line | AppendStart | LiteralChunk | AppendEnd
