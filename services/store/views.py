"""Views: the records of recently used mailboxes as arrays, bounded in octets.

A view is validated by one cheap read (the page directory) and refreshed by the
pages that changed. Views are immutable and shared; correctness never depends
on them: without one, the pages are read.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from services.store.index.core import Scope
from services.store.index.index import Index
from services.store.index.mailboxes import Head
from services.store.index.record import ROW, U32, Rows, joined, live

PAGES_A_READ = 256
UID_OCTETS = 4


@dataclass(slots=True)
class View:
    """A mailbox at one moment. `head.seq` is its label, read before the pages: never newer than them."""

    head: Head
    pages: dict[int, Rows]  # by page number, ascending
    _rows: Rows | None = field(default=None, repr=False)
    _uids: U32 | None = field(default=None, repr=False)

    @property
    def rows(self) -> Rows:
        """All records by UID, tombstones included."""
        if self._rows is None:
            self._rows = joined(list(self.pages.values()))
            at = 0
            for number, part in self.pages.items():  # the pages become slices of the whole
                self.pages[number] = self._rows[at : at + len(part)]
                at += len(part)
        return self._rows

    @property
    def uids(self) -> U32:
        """Those of `rows`, one behind the other: a search there looks at few of them, and copies none."""
        if self._uids is None:
            self._uids = np.ascontiguousarray(self.rows["uid"])
        return self._uids

    @property
    def live(self) -> Rows:
        return live(self.rows)

    def select(self, uids: U32, tombstones: bool = False) -> Rows:
        """The records of these UIDs (ascending) that are there; all for no UIDs."""
        if not len(uids):
            return self.rows if tombstones else self.live
        found = self.rows.take(places_of(uids, self.uids))
        return found if tombstones else live(found)

    @property
    def octets(self) -> int:
        """With the column of UIDs, whether it was asked for or not."""
        records = sum(len(part) for part in self.pages.values())
        return records * (ROW.itemsize + UID_OCTETS) + 200 * len(self.pages) + 1000


def places_of(uids: U32, column: U32) -> npt.NDArray[np.intp]:
    """Where those of these UIDs stand that the column (ascending) has."""
    if not len(column):
        return np.empty(0, np.intp)
    places = np.searchsorted(column, uids)
    places[places == len(column)] = 0
    found: npt.NDArray[np.intp] = places[column[places] == uids]
    return found


class Views:
    """The cache of one store process."""

    def __init__(self, index: Index, limit: int) -> None:
        self._index, self._limit = index, limit
        self._views: OrderedDict[tuple[str, int], View] = OrderedDict()
        self._octets = 0

    async def get(self, scope: Scope, mailbox: int, name: str = "") -> View:
        """The mailbox now, by id or by name."""
        head = await self._index.head(scope, mailbox, name)
        return await self.at(scope.account, head)

    async def at(self, account: str, head: Head) -> View:
        """The mailbox at a head that was just read."""
        key = (account, head.mailbox.id)
        old = self._views.get(key)
        if old is not None and old.head.incarnation == head.incarnation:
            if old.head.seq >= head.seq:
                self._views.move_to_end(key)
                return old
            stale = changed_pages(old.head, head)
        else:
            old, stale = None, head.directory["page"].tolist()
        fresh: dict[int, Rows] = {}
        for at in range(0, len(stale), PAGES_A_READ):
            numbers = stale[at : at + PAGES_A_READ]
            found = await self._index.pages(account, head.mailbox.id, numbers)
            fresh.update(zip(numbers, found, strict=True))
        known = old.pages if old is not None else {}
        pages = {}
        for number in head.directory["page"].tolist():
            pages[number] = fresh[number] if number in fresh else known[number]
        view = View(head, pages)
        if old is not None and not stale and len(pages) == len(known):
            view._rows, view._uids = old._rows, old._uids
        self._keep(key, view)
        return view

    def cached(self, account: str, mailbox: int) -> View | None:
        """What the cache holds, however old."""
        return self._views.get((account, mailbox))

    def _keep(self, key: tuple[str, int], view: View) -> None:
        old = self._views.pop(key, None)
        if old is not None:
            self._octets -= old.octets
        self._views[key] = view
        self._octets += view.octets
        while self._octets > self._limit and len(self._views) > 1:
            _, dropped = self._views.popitem(last=False)
            self._octets -= dropped.octets


def changed_pages(old: Head, new: Head) -> list[int]:
    """Numbers of the pages of `new` that are not as they were."""
    if len(old.directory) == len(new.directory):
        same = old.directory["page"] == new.directory["page"]
        same &= old.directory["modseq"] == new.directory["modseq"]
        changed: list[int] = new.directory["page"][~same].tolist()
        return changed
    known = set(zip(old.directory["page"].tolist(), old.directory["modseq"].tolist(), strict=True))
    pairs = zip(new.directory["page"].tolist(), new.directory["modseq"].tolist(), strict=True)
    return [page for page, modseq in pairs if (page, modseq) not in known]


def pages_since(head: Head, seq: int) -> list[int]:
    """Numbers of the pages with changes behind this seq."""
    numbers: list[int] = head.directory["page"][head.directory["modseq"] > np.uint64(seq)].tolist()
    return numbers
