"""Octets in, commands out: the sans-IO engine of one IMAP connection.

The session pulls one event at a time and sets `state` as commands succeed, so
each line is read in the state that the commands before it have led to.

    command = tag SP name arguments CRLF, where a line may end in a literal:
    literal = "{" number ["+"] "}" CRLF *OCTET            (RFC 3501 §4.3, RFC 7888)

A command's literals are brought in before it is parsed, within limits; the
message of APPEND is not: it streams, as events. What cannot become a command is
answered before its literal is asked for, or its octets are discarded, so that
no octet of a literal is ever taken for a command.
"""

import re

from services.common.errors import SyntaxFault
from services.imap.protocol.commands import append
from services.imap.protocol.events import (
    AppendEnd,
    AppendStart,
    BadCommand,
    ContinueNeeded,
    Event,
    Line,
    LiteralChunk,
    Received,
)
from services.imap.protocol.lexer import Lexer
from services.imap.protocol.state import State
from services.imap.protocol.table import COMMANDS, MESSAGE_COMMANDS, Row

# A line: long sets of UIDs (RFC 2683 §3.2.1.5 asks for 8,000 octets at least; RFC 7162 §4: 8,192).
MAX_LINE = 64 * 1024
# A command with its literals but the message of APPEND.
MAX_COMMAND = 1024 * 1024
# Before login: RFC 4954 §4's 12,288 octets of base64, and some.
MAX_BEFORE_LOGIN = 16 * 1024
# A literal that is not wanted and comes all the same is read and dropped up to here (RFC 7888 §4).
MAX_DISCARDED = 256 * 1024 * 1024
CHUNK = 128 * 1024

# No client makes longer tags, and nothing longer that comes instead of one is repeated to it.
MAX_TAG = 255
#   tag = 1*<any ASTRING-CHAR except "+">
TAG_CHARS = rb'([^\x00-\x20\x7f-\xff(){%%*"\\+]{1,%d})' % MAX_TAG
HEAD = re.compile(TAG_CHARS + rb" (?:(UID) )?([A-Za-z]+)", re.IGNORECASE)
TAG = re.compile(TAG_CHARS + rb"(?: |$)")
LITERAL_AHEAD = re.compile(rb"\{([0-9]{1,20})(\+?)\}\r\n\Z")


class Engine:
    """The state of a connection's input and the octets that no event has consumed."""

    __slots__ = (
        "_append",
        "_buffer",
        "_discarding",
        "_left",
        "_line_wanted",
        "_max_command",
        "_max_line",
        "_max_message",
        "_parts",
        "_refusal",
        "_searched",
        "_size",
        "state",
    )

    def __init__(self, max_message_size: int) -> None:
        self.state = State.NOT_AUTHENTICATED
        self._max_message = max_message_size
        self._max_line = self._max_command = MAX_BEFORE_LOGIN
        self._buffer = bytearray()
        self._searched = 0  # octets of the buffer known to hold no line end
        self._line_wanted = False
        self._append: AppendStart | None = None
        self._forget()

    def _forget(self) -> None:
        """Between commands."""
        self._parts: list[bytes] = []
        self._size = 0  # of the parts, and of what is to come of a literal
        self._left = 0  # octets of a literal that are to come
        self._discarding = False  # the rest of this command is dropped, and `_refusal` said behind it
        self._refusal: BadCommand | None = None

    # -- for the session ----------------------------------------------------------------

    @property
    def buffered(self) -> bool:
        """Whether octets wait that no event has consumed."""
        return bool(self._buffer)

    def raise_limits(self) -> None:
        """The client is known."""
        self._max_line, self._max_command = MAX_LINE, MAX_COMMAND

    def expect_line(self) -> None:
        """The next line is no command but an answer: it comes as Line."""
        self._line_wanted = True

    def accept_append(self) -> None:
        """The message of APPEND may come."""
        assert self._append is not None
        self._left = self._append.size

    def refuse_append(self) -> None:
        """It may not; what comes of it all the same is dropped."""
        assert self._append is not None
        started, self._append = self._append, None
        self._forget()
        if not started.synchronising:
            self._discarding, self._left = True, started.size

    def close(self) -> None:
        """Whatever comes now is ignored."""
        self.state = State.LOGOUT
        self._buffer.clear()

    def receive_data(self, data: bytes) -> None:
        if self.state is not State.LOGOUT:
            self._buffer += data

    def next_event(self) -> Event | None:
        """The next event; None when more octets are needed."""
        while self.state is not State.LOGOUT:
            if self._left:
                event = self._literal()
                if event is not None:
                    return event
                if self._left:
                    return None
            line = self._line()
            if line is None:
                return None
            event = self._take(line)
            if event is not None:
                return event
        self._buffer.clear()
        return None

    # -- octets -------------------------------------------------------------------------

    def _literal(self) -> Event | None:
        """Octets of the literal: an event for a message's, None otherwise."""
        data = bytes(self._buffer[: min(self._left, CHUNK)] if self._append else self._buffer[: self._left])
        del self._buffer[: len(data)]
        self._searched = 0
        self._left -= len(data)
        if not data or self._discarding:
            return None
        if self._append is not None:
            return LiteralChunk(data)
        self._parts.append(data)
        return None

    def _line(self) -> bytes | None:
        """The next line without its end; of one that is too long, its last octets."""
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            if self._searched > self._max_line:
                self._too_long()
                # The end may say that a literal follows.
                del self._buffer[:-32]
                self._searched = len(self._buffer)
            return None
        if end > self._max_line:
            self._too_long()
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def _too_long(self) -> None:
        if not self._discarding:
            start = b"".join(self._parts[:1]) or bytes(self._buffer[: MAX_TAG + 1])
            self._discard(BadCommand(_tag(start), "The line is too long"))

    def _discard(self, refusal: BadCommand | None) -> None:
        self._parts.clear()
        self._discarding, self._refusal = True, refusal

    # -- lines --------------------------------------------------------------------------

    def _take(self, line: bytes) -> Event | None:
        if self._append is not None:
            return self._behind_message(line, self._append.tag)
        if self._line_wanted:
            self._line_wanted = False
            too_long = self._discarding
            self._forget()
            return Line(line, too_long)
        line += b"\r\n"
        ahead = LITERAL_AHEAD.search(line)
        if self._discarding:
            return self._drop(ahead)
        self._parts.append(line)
        self._size += len(line)
        if ahead is None:
            data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._forget()
            return _command(data, self.state)
        return self._before_literal(int(ahead[1]), not ahead[2])

    def _behind_message(self, line: bytes, tag: bytes) -> Event | None:
        """The line that ends APPEND; a literal that it announces comes, and is no command (RFC 7888 §4)."""
        wrong = bool(line) or self._discarding
        ahead = LITERAL_AHEAD.search(line + b"\r\n")
        if ahead is not None and ahead[2]:
            self._discard(None)
            return self._skip(int(ahead[1]), tag)
        self._append = None
        self._forget()
        return AppendEnd("Nothing may follow the message" if wrong else "")

    def _drop(self, ahead: re.Match[bytes] | None) -> Event | None:
        """A line of a command that is being discarded."""
        if ahead is not None and ahead[2]:
            return self._skip(int(ahead[1]), self._refusal.tag if self._refusal else b"*")
        refusal = self._refusal
        self._forget()
        return refusal

    def _skip(self, size: int, tag: bytes) -> Event | None:
        if size > MAX_DISCARDED:
            return BadCommand(tag, "The literal is too large", fatal=True)
        self._left = size
        return None

    def _before_literal(self, size: int, synchronising: bool) -> Event | None:
        """The command so far ends in the announcement of a literal: is it wanted?"""
        data = b"".join(self._parts)
        try:
            row, tag, _, position = _head(data, self.state)
            if row.parse is append.parse:
                command = _append_prefix(data, position)
                if not synchronising and size > max(self._max_message, MAX_DISCARDED):
                    return self._skip(size, tag)
                if command is not None:
                    self._append = AppendStart(tag, command, size, synchronising)
                    return self._append
            if size > self._max_line or self._size + size > self._max_command:
                raise SyntaxFault("The command is too long")
        except SyntaxFault as fault:
            refusal = BadCommand(_tag(data), fault.text)
            if synchronising:
                self._forget()
                return refusal
            self._discard(refusal)
            return self._skip(size, refusal.tag)
        self._size += size
        self._left = size
        return ContinueNeeded() if synchronising else None


def _head(data: bytes, state: State) -> tuple[Row, bytes, bytes, int]:
    """How to go on with a command: its row, tag, name and where its arguments start."""
    found = HEAD.match(data)
    if found is None:
        raise SyntaxFault("Expected a tag and a command")
    name = found[3].upper()
    row = MESSAGE_COMMANDS.get(name) or (None if found[2] else COMMANDS.get(name))
    if row is None:
        raise SyntaxFault("Unknown command")
    if state not in row.states:
        raise SyntaxFault(f"{name.decode()} is not possible in this state")
    return row, found[1], b"UID " + name if found[2] else name, found.end()


def _command(data: bytes, state: State) -> Event:
    """A complete command's event."""
    try:
        row, tag, name, position = _head(data, state)
        if row.parse is append.parse:  # with its message the command would have come as events
            raise SyntaxFault("The message of APPEND is a literal")
        lex = Lexer(data[:-2], position)
        command = row.parse(lex, True) if name.startswith(b"UID ") else row.parse(lex)
    except SyntaxFault as fault:
        return BadCommand(_tag(data), fault.text)
    return Received(tag, name, command)


def _append_prefix(data: bytes, position: int) -> append.Append | None:
    """APPEND up to its message; None when the literal to come is the mailbox's name."""
    before = data[: data.rindex(b"{")]
    if before[position:] == b" ":
        return None
    return append.parse(Lexer(before, position))


def _tag(data: bytes) -> bytes:
    found = TAG.match(data.rstrip(b"\r\n"))
    return found[1] if found else b"*"
