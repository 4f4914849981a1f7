"""Whether this process lives and whether it is ready, for probes and for the operator.

Ready: it does not drain, and everything it depends on has answered lately.
Alive: its event loop turns. A missing dependency makes it not ready, never dead:
a restart would cure nothing.
"""

import asyncio
import time
from collections.abc import Callable

BEAT = 1.0
# An event loop that has not turned for so long hangs; a slow machine does not.
DEAD_AFTER = 30.0


class Health:
    """Asked from the metrics server's threads, told by the event loop."""

    def __init__(self) -> None:
        self._checks: list[Callable[[], bool]] = []
        self._started = False
        self.draining = False
        self.lag = 0.0  # seconds by which the last beat came late
        self._beaten = time.monotonic()

    def add(self, check: Callable[[], bool]) -> None:
        """Ready only while this is true. Called from another thread: it must only look."""
        self._checks.append(check)
        self._started = True

    @property
    def ready(self) -> bool:
        """False until the service has named at least one check."""
        return self._started and not self.draining and all(check() for check in self._checks)

    @property
    def alive(self) -> bool:
        return time.monotonic() - self._beaten < DEAD_AFTER

    async def beat(self) -> None:
        """Show that the event loop turns, and how late."""
        while True:
            due = time.monotonic() + BEAT
            await asyncio.sleep(BEAT)
            self._beaten = time.monotonic()
            self.lag = max(self._beaten - due, 0.0)
