"""A connection to Redis that breaks where a test wants it to."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from services.common.errors import Unavailable
from services.store.index.connection import Connection


class Interrupted(Connection):
    """A connection that breaks at the n-th script of a name: before it is sent, or before its reply comes."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=30.0)
        self.name, self.left, self.lost_reply = "", 0, False
        self.instead: Callable[[], Awaitable[object]] | None = None

    def break_at(self, name: str, number: int, lost_reply: bool = False) -> None:
        self.name, self.left, self.lost_reply = name, number, lost_reply

    async def script(self, name: str, keys: Sequence[bytes], args: Sequence[bytes | str | int]) -> Any:
        hit = False
        if name == self.name:
            self.left -= 1
            hit = self.left == 0
        if hit and self.instead is not None:
            await self.instead()
        elif hit and not self.lost_reply:
            raise Unavailable
        reply = await super().script(name, keys, args)
        if hit and self.lost_reply:
            raise Unavailable
        return reply
