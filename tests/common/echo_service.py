"""A front end of a few lines, for tests of what all front ends share: it says +OK and repeats lines.

`python -m tests.common.echo_service` runs it as a process. The line "wait" makes
its connection a transaction that ends with the line "done".
"""

from dataclasses import dataclass
from typing import Any

import structlog

from services.common.config import LISTEN, Address, FrontEndSettings, setting
from services.common.errors import SyntaxFault
from services.common.front_end import Listener, front_end
from services.common.protocol.lines import LineBuffer
from services.common.run import Process, main
from services.common.session import Session, Spawn
from services.common.stream import Stream


@dataclass(frozen=True, kw_only=True)
class Settings(FrontEndSettings):
    listen_pop3: Address | None = setting(LISTEN, "", "Echo in clear; empty: off")
    listen_pop3s: Address | None = setting(LISTEN, "", "Echo inside TLS; empty: off")


class Engine:
    def __init__(self) -> None:
        self._lines = LineBuffer(100)

    def receive_data(self, data: bytes) -> None:
        self._lines.receive_data(data)

    def next_event(self) -> bytes | None:
        try:
            return self._lines.next_line()
        except SyntaxFault as fault:
            return fault.text.encode() + b"\r\n"

    @property
    def buffered(self) -> bool:
        return len(self._lines) > 0


class Echo(Session):
    def __init__(self, stream: Stream, spawn: Spawn) -> None:
        super().__init__(stream, Engine(), spawn, structlog.stdlib.get_logger(), 60.0)
        self._waiting = False

    async def on_connect(self) -> None:
        self.send(b"+OK echo\r\n")

    async def on_event(self, event: Any) -> None:
        self._waiting = event == b"wait\r\n" or (self._waiting and event != b"done\r\n")
        self.send(event)

    def in_transaction(self) -> bool:
        return self._waiting

    def on_drain(self) -> bytes:
        return b"bye\r\n"


async def serve(settings: Settings, process: Process) -> None:
    listeners = [
        Listener("pop3", settings.listen_pop3),
        Listener("pop3s", settings.listen_pop3s, implicit_tls=True),
    ]
    async with front_end(settings, process, listeners) as parts:
        await parts.serve(Echo)


if __name__ == "__main__":
    main(Settings, serve)
