"""Octets in, commands out: the sans-IO engine of one POP3 connection.

The session pulls one event at a time, so a line is read in the state that the
commands before it have led to: a pipelined line is never taken for a command
when it answers a challenge, nor the other way round. Every line gives exactly
one event, however it was cut into pieces on its way.
"""

from dataclasses import dataclass

from services.common.errors import SyntaxFault
from services.common.protocol.lines import LineBuffer
from services.common.protocol.sasl import MAX_RESPONSE_LINE
from services.pop3.protocol.commands import Command, SaslResponse, parse
from services.pop3.protocol.state import TRANSITIONS, State, Step

MAX_COMMAND = 255  # RFC 2449 §4: a command line, CRLF included


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no command here; it is answered with -ERR and otherwise ignored."""

    text: str


Event = Command | BadLine


class Engine:
    """The state of a connection and the octets that no event has consumed."""

    __slots__ = ("_lines", "state")

    def __init__(self) -> None:
        self.state = State.AUTHORIZATION
        self._lines = LineBuffer(MAX_RESPONSE_LINE)

    @property
    def buffered(self) -> bool:
        """Whether octets wait that no event has consumed."""
        return len(self._lines) > 0

    def move(self, step: Step) -> None:
        """What performing a command has led to; KeyError is a bug of ours."""
        self.state = TRANSITIONS[self.state, step]

    def receive_data(self, data: bytes) -> None:
        """Octets from the peer."""
        if self.state is not State.CLOSED:
            self._lines.receive_data(data)

    def next_event(self) -> Event | None:
        """The next line's event; None when it is not complete."""
        if self.state is State.CLOSED:
            self._lines.clear()
            return None
        try:
            line = self._lines.next_line()
            return None if line is None else self._read(line)
        except SyntaxFault as fault:
            return BadLine(fault.text)

    def _read(self, line: bytes) -> Event:
        # A line end without CR does no harm here: every answer is one to one line.
        content = line[:-1].removesuffix(b"\r")
        if self.state is State.SASL:
            return SaslResponse(content)
        # Clients send initial responses beyond 255 octets, so AUTH has the limit of a response.
        if len(line) > MAX_COMMAND and content[:5].upper() != b"AUTH ":
            raise SyntaxFault("Line too long")
        return parse(content, self.state)
