"""Dialogues: protocol tests as text files that anyone can read.

    # A comment.
    C: a1 LOGIN ${user} ${password}
    S: a1 OK ~.*                       exact text; after " ~" a regular expression
    S: ~\\* (?P<count>\\d+) EXISTS        a whole line as a regular expression; names are remembered
    S: ...                             any lines, up to one that matches what comes next
    C: a2 FETCH ${count} FLAGS         and used
    C2: a1 NOOP                        a second connection, opened by its first line
    S2: a1 OK ~.*
    C+: a3 APPEND INBOX {5}\\r\\nhello    raw: no line end added; \\r \\n \\0 \\xHH are escapes
    @starttls                          from here on TLS (@starttls 2 for the second connection)
    @closed                            the server closes the connection
    @close 2                           the client closes it

Lines before the first `C:` that start with `S:` are the greeting. Consecutive C
lines are sent at once (pipelined). A dialogue is played whole, or in pieces of
any size: the answers must be the same.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]

ANSWER_TIMEOUT = 10.0
LINE = re.compile(r"(?P<kind>[CS])(?P<number>\d?)(?P<raw>\+?): ?(?P<text>.*)|@(?P<verb>\w+)(?: (?P<on>\d))?")
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([rn0\\]))")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a dialogue."""

    number: int  # of the line in the file
    verb: str  # C, S, or the word after @
    connection: int
    text: str = ""
    raw: bool = False


@dataclass(slots=True)
class Player:
    """Plays one dialogue against one server."""

    connect: Connect
    variables: dict[str, str]
    chunk: int = 0  # octets a write; 0: whole
    client_context: ssl.SSLContext | None = None
    connections: dict[int, Streams] = field(default_factory=dict)

    async def play(self, steps: list[Step]) -> None:
        position = 0
        try:
            while position < len(steps):
                position = await self._step(steps, position)
        finally:
            for _, writer in self.connections.values():
                writer.close()

    async def _step(self, steps: list[Step], position: int) -> int:
        step = steps[position]
        reader, writer = await self._streams(step.connection)
        match step.verb:
            case "C":
                data = octets(step, self.variables)
                while (
                    position + 1 < len(steps)
                    and (nxt := steps[position + 1]).verb == "C"
                    and (nxt.connection == step.connection)
                ):
                    data += octets(nxt, self.variables)
                    position += 1
                await self._send(writer, data)
            case "S" if step.text == "...":
                await self._skip_until(reader, steps[position + 1])
                position += 1
            case "S":
                self._expect(step, await self._line(reader, step))
            case "starttls":
                assert self.client_context is not None
                await writer.start_tls(self.client_context, server_hostname="localhost")
            case "closed":
                rest = await asyncio.wait_for(reader.read(), ANSWER_TIMEOUT)
                assert rest == b"", f"line {step.number}: closed was expected, got {rest!r}"
            case "close":
                writer.close()
                del self.connections[step.connection]
            case verb:
                raise AssertionError(f"line {step.number}: unknown @{verb}")
        return position + 1

    async def _streams(self, number: int) -> Streams:
        if number not in self.connections:
            self.connections[number] = await self.connect()
        return self.connections[number]

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        size = self.chunk or len(data)
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()
            if self.chunk:
                await asyncio.sleep(0)

    async def _line(self, reader: asyncio.StreamReader, step: Step) -> str:
        try:
            line = await asyncio.wait_for(reader.readline(), ANSWER_TIMEOUT)
        except TimeoutError:
            raise AssertionError(f"line {step.number}: no answer; expected {step.text!r}") from None
        assert line.endswith(b"\n"), f"line {step.number}: closed after {line!r}; expected {step.text!r}"
        assert line.endswith(b"\r\n"), f"line {step.number}: bare LF in {line!r}"
        return line[:-2].decode("utf-8", "surrogateescape")

    def _pattern(self, step: Step) -> re.Pattern[str]:
        exact, tilde, regex = (
            step.text.partition("~") if step.text.startswith("~") else step.text.partition(" ~")
        )
        exact = re.escape(exact + (" " if tilde == " ~" else ""))

        def value(match: re.Match[str]) -> str:
            return re.escape(self.variables[match[1]])

        exact = re.sub(r"\\\$\\\{(\w+)\\\}", value, exact)
        return re.compile(exact + re.sub(r"\$\{(\w+)\}", value, regex))

    def _expect(self, step: Step, line: str) -> None:
        found = self._pattern(step).fullmatch(line)
        assert found, f"line {step.number}: expected {step.text!r}, got {line!r}"
        self.variables.update(found.groupdict())

    async def _skip_until(self, reader: asyncio.StreamReader, step: Step) -> None:
        pattern = self._pattern(step)
        while not (found := pattern.fullmatch(await self._line(reader, step))):
            pass
        self.variables.update(found.groupdict())


def octets(step: Step, variables: Mapping[str, str]) -> bytes:
    """What a C line sends."""
    text = re.sub(r"\$\{(\w+)\}", lambda m: variables[m[1]], step.text)
    if not step.raw:
        return text.encode() + b"\r\n"
    data = ESCAPE.sub(
        lambda m: chr(int(m[1], 16)) if m[1] else {"r": "\r", "n": "\n", "0": "\0", "\\": "\\"}[m[2]],
        text,
    )
    return data.encode("latin-1" if "\\x" in text else "utf-8")


def parse(path: Path) -> list[Step]:
    """The steps of a dialogue; AssertionError names a line that is none."""
    steps = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = LINE.fullmatch(line)
        assert found, f"line {number} is no line of a dialogue: {line!r}"
        if found["verb"]:
            steps.append(Step(number, found["verb"], int(found["on"] or 1)))
        else:
            steps.append(
                Step(number, found["kind"], int(found["number"] or 1), found["text"], bool(found["raw"]))
            )
    return steps


def dialogues(folder: Path) -> list[Path]:
    """The dialogue files of a folder, for `pytest.mark.parametrize`."""
    return sorted(folder.glob("*.txt"))


async def play(
    steps: list[Step],
    connect: Connect,
    variables: dict[str, str],
    chunk: int = 0,
    client_context: ssl.SSLContext | None = None,
) -> None:
    """Play a dialogue; an AssertionError names the line that went wrong."""
    await Player(connect, dict(variables), chunk, client_context).play(steps)
