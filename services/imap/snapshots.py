"""What a process knew of mailboxes when they were last opened, so that SELECT reads only what has changed.

A snapshot is the label of a state (seq, incarnation, UIDVALIDITY) and its
arrays, which views share and nobody changes. It only ever tells the store where
to begin: when the store cannot tell the difference, it sends the whole mailbox.
"""

from collections import OrderedDict
from dataclasses import dataclass

from services.imap.view import Bits, Uids

LIMIT = 32 * 1024 * 1024  # octets: 5 a message without keywords, 12 with


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A mailbox at one moment."""

    uidvalidity: int
    seq: int
    incarnation: bytes
    uids: Uids
    flags: Bits

    @property
    def octets(self) -> int:
        return self.uids.nbytes + self.flags.nbytes + 500


class Snapshots:
    """The most recently opened mailboxes of a process, by account and name, bounded in octets."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit, self._octets = limit, 0
        self._held: OrderedDict[tuple[str, str], Snapshot] = OrderedDict()

    def get(self, account: str, name: str) -> Snapshot | None:
        """The state of a mailbox when it was last kept."""
        return self._held.get((account, name))

    def keep(self, account: str, name: str, snapshot: Snapshot) -> None:
        """Have this state instead of an older one; the least recently kept ones make room."""
        self._drop(self._held.pop((account, name), None))
        self._held[account, name] = snapshot
        self._octets += snapshot.octets
        while self._octets > self._limit:
            self._drop(self._held.popitem(last=False)[1])

    def _drop(self, snapshot: Snapshot | None) -> None:
        if snapshot is not None:
            self._octets -= snapshot.octets
