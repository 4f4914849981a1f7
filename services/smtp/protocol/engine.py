"""Octets in, commands and message octets out: the sans-IO engine of one SMTP connection.

The session pulls one event at a time, so that pipelined octets (RFC 2920) are
read in the state that the commands before them have led to.
"""

from dataclasses import dataclass

from services.common.errors import Fault, SyntaxFault
from services.common.protocol.lines import LineBuffer, without_crlf
from services.common.protocol.sasl import MAX_RESPONSE_LINE
from services.smtp.protocol.commands import Command, SaslResponse, parse
from services.smtp.protocol.data import DataReader, Problem
from services.smtp.protocol.state import TRANSITIONS, State, Step

# RFC 5321 §4.5.3.1.4: 512 octets a command line; + 26 for SIZE (RFC 1870 §3), 17 for BODY (RFC 6152 §2),
# 500 for AUTH= (RFC 4954 §3), and room for paths of 256 with parameters we do not know.
MAX_COMMAND = 2048
PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no command here; the fault says why."""

    fault: Fault
    recipient: bool = False  # a RCPT in its place, whose path or parameters are not taken


@dataclass(frozen=True, slots=True)
class DataChunk:
    """Octets of the message, unstuffed."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class DataEnd:
    """The message is complete; `problem` says why it cannot be taken."""

    size: int
    problem: Problem | None


Event = Command | BadLine | DataChunk | DataEnd


class Engine:
    """The state of a connection and the octets that no event has consumed."""

    __slots__ = ("_data", "_ended", "_lines", "_most", "state")

    def __init__(self, max_message_size: int) -> None:
        self.state = State.GREETED
        self._lines = LineBuffer(MAX_COMMAND)
        self._most = max_message_size
        self._data: DataReader | None = None
        self._ended = False  # the message's last octets were given; its end is the next event

    @property
    def buffered(self) -> bool:
        """Whether octets wait that no event has consumed."""
        return len(self._lines) > 0

    def move(self, step: Step) -> None:
        """What performing a command has led to; KeyError is a bug of ours."""
        self.state = TRANSITIONS[self.state, step]
        self._lines.limit = MAX_RESPONSE_LINE if self.state is State.SASL else MAX_COMMAND
        self._data = DataReader(self._most) if step is Step.DATA_STARTED else None

    def receive_data(self, data: bytes) -> None:
        if self.state is not State.CLOSED:
            self._lines.receive_data(data)

    def next_event(self) -> Event | None:
        """The next event; None when more octets are needed."""
        if self.state is State.CLOSED:
            self._lines.clear()
            return None
        if self._data is not None:
            return self._message(self._data)
        try:
            line = self._lines.next_line()
            return None if line is None else self._read(line)
        except Fault as fault:
            return BadLine(fault)

    def _read(self, line: bytes) -> Event:
        if self.state is State.SASL:
            return SaslResponse(without_crlf(line))
        content = without_crlf(line)
        if b"\0" in content:
            raise SyntaxFault("NUL in a command")
        try:
            return parse(content, self.state)
        except Fault as fault:
            in_transaction = self.state in (State.MAIL, State.RCPT)
            return BadLine(fault, in_transaction and content[:5].upper() in (b"RCPT", b"RCPT "))

    def _message(self, reader: DataReader) -> Event | None:
        if self._ended:
            return self._end(reader)
        while octets := self._lines.take(PIECE):
            data, behind = reader.feed(octets)
            if behind is not None:
                self._lines.give_back(behind)
                self._ended = True
                return DataChunk(data) if data else self._end(reader)
            if data:
                return DataChunk(data)
        return None

    def _end(self, reader: DataReader) -> Event:
        self._data, self._ended = None, False
        return DataEnd(reader.size, reader.problem)
