"""Who in this process wants to know that an account changed.

Level-triggered and coalesced: a listener keeps the newest seq per account and
one flag that there is something; nothing overflows.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from services.common.errors import Unavailable
from services.store.index import keys
from services.store.index.pubsub import ShardChannels


@dataclass(eq=False, slots=True)
class Listener:
    """One stream's interest; `accounts` is empty for interest in everything."""

    everything: bool = False
    changed: dict[str, int] = field(default_factory=dict)  # account → newest seq
    ended: set[str] = field(default_factory=set)
    gap: bool = False  # hints may have been lost: look at everything again
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> tuple[dict[str, int], set[str], bool]:
        """What came since the last call."""
        taken = self.changed, self.ended, self.gap
        self.changed, self.ended, self.gap = {}, set(), False
        self.ready.clear()
        return taken


class Hints:
    """All listeners of one store process."""

    def __init__(self, url: str) -> None:
        self._channels = ShardChannels(url, self._hint, self._gap)
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._everything: set[Listener] = set()
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        await self._channels.run()

    def stop(self) -> None:
        """The store drains: who listens here goes on at another one."""
        self._stopped.set()

    async def wait(self, listener: Listener) -> None:
        """Until there is something for the listener; Unavailable once the store drains."""
        waits = [asyncio.ensure_future(event.wait()) for event in (listener.ready, self._stopped)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        if self._stopped.is_set():
            raise Unavailable("The store is about to stop")

    async def add(self, listener: Listener, account: str) -> None:
        """From its return on, every change of the account is hinted."""
        if listener not in self._listeners[account]:
            self._listeners[account].add(listener)
            await self._channels.add(keys.shard_of(account))

    def remove(self, listener: Listener, account: str) -> None:
        listeners = self._listeners.get(account)
        if listeners and listener in listeners:
            listeners.remove(listener)
            self._channels.remove(keys.shard_of(account))
            if not listeners:
                del self._listeners[account]

    async def add_everything(self, listener: Listener) -> None:
        self._everything.add(listener)
        await asyncio.gather(*(self._channels.add(shard) for shard in range(keys.SHARDS)))

    def remove_everything(self, listener: Listener) -> None:
        self._everything.discard(listener)
        for shard in range(keys.SHARDS):
            self._channels.remove(shard)

    def _hint(self, account: str, seq: int, ended: bool) -> None:
        for listener in (*self._listeners.get(account, ()), *self._everything):
            listener.changed[account] = max(seq, listener.changed.get(account, 0))
            if ended:
                listener.ended.add(account)
            listener.ready.set()

    def _gap(self) -> None:
        for listener in {*self._everything, *(one for some in self._listeners.values() for one in some)}:
            listener.gap = True
            listener.ready.set()
