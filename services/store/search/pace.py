"""Gives others their turn: the event loop belongs to all callers of a store.

Whoever works through many messages asks `turn` in between, at places where
nothing would be spoilt; a cancelled or late call ends there too.
"""

import asyncio
from time import monotonic

HELD = 0.005  # seconds of the loop in one go; what comes between two questions is on top


class Pace:
    """Of one piece of work; it begins when this is made."""

    def __init__(self) -> None:
        self._until = monotonic() + HELD

    async def turn(self) -> None:
        """Let others run, if this has held the loop for long enough."""
        if monotonic() >= self._until:
            await asyncio.sleep(0)
            self._until = monotonic() + HELD
