"""One session's view of its selected mailbox: what its client has been told.

A sequence number is a place in the view, and the view changes only when its
client hears of it (RFC 3501 §7.4.1, RFC 2180 §4):
- messages that others expunged keep their place, in `pending_expunges`, until a
  reply may carry EXPUNGE;
- new messages take the next places at once, and the next reply tells EXISTS;
- flags that others changed are noted and told as FETCH with the next reply;
  what the session itself changed (`learn_flags`) is not told again.

Arrays are immutable and replaced on change, so that the sessions of one process
on one mailbox share them. Flags take the smallest type that holds them.
"""

import weakref
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from buuta.v1.columns_pb2 import MessageColumns
from buuta.v1.mailbox_pb2 import SyncMailboxResponse
from services.common.errors import SyntaxFault
from services.imap.protocol import flags as flag_names

Uids = NDArray[np.uint32]
Bits = NDArray[Any]  # unsigned, of any width

NO_UIDS: Uids = np.empty(0, "<u4")
# Arrays of this process by mailbox and column: the latest of each, while a session has it.
_shared: weakref.WeakValueDictionary[tuple[str, int, str], NDArray[Any]] = weakref.WeakValueDictionary()


class Ranges(Protocol):
    """A parsed sequence set: pairs of numbers in the order sent, 0 for "*"."""

    @property
    def ranges(self) -> Sequence[tuple[int, int]]: ...


class View:
    """The messages of a session, by sequence number: `uids[n - 1]` is message n."""

    __slots__ = (
        "_changed",
        "_learned",
        "_told_exists",
        "_told_recent",
        "account",
        "flags",
        "highest_modseq",
        "incarnation",
        "keywords",
        "keywords_changed",
        "mailbox_id",
        "pending_expunges",
        "recent",
        "seq",
        "uids",
    )

    def __init__(self, account: str, mailbox_id: int) -> None:
        self.account, self.mailbox_id = account, mailbox_id
        self.uids: Uids = NO_UIDS
        self.flags: Bits = np.empty(0, "u1")
        self.keywords: tuple[bytes, ...] = ()
        self.keywords_changed = False  # the client has not been told of the list
        self.recent: Uids = NO_UIDS  # those that are \Recent in this session
        self.pending_expunges: Uids = NO_UIDS  # gone, and the client does not know
        self.seq = 0  # the label of the last answer of the store
        self.incarnation = b""
        self.highest_modseq = 1  # never above what the client has been told
        self._changed: dict[int, int] = {}  # uid → modseq, to be told as FETCH
        self._learned: dict[int, int] = {}  # uid → modseq of own changes since `seq`
        self._told_exists = self._told_recent = 0

    # -- from the store -----------------------------------------------------------------

    def resume(self, uids: Uids, flags: Bits) -> None:
        """Begin with an older state of the mailbox, that the store's answer is the difference to."""
        self.uids, self.flags = uids, flags

    def apply(self, answer: SyncMailboxResponse) -> None:
        """Take what changed in the mailbox since `seq`."""
        self.keywords_changed |= self.set_keywords(list(answer.mailbox.keywords))
        if answer.full or answer.changed.uids or answer.vanished:
            self._take(answer)
        if answer.recent_first_uid:
            fresh = self.uids[np.searchsorted(self.uids, answer.recent_first_uid) :]
            self.recent = np.union1d(self.recent, fresh) if len(self.recent) else fresh
        self._label(answer)

    def _take(self, answer: SyncMailboxResponse) -> None:
        """Messages that came, changed, or went."""
        new_uids = np.frombuffer(answer.changed.uids, "<u4")
        new_flags = np.frombuffer(answer.changed.flags, "<u8")
        modseqs = np.frombuffer(answer.changed.modseqs, "<u8")
        gone = np.frombuffer(answer.vanished, "<u4")
        if answer.full:
            gone = np.setdiff1d(self.uids, new_uids, assume_unique=True)
        first_new = self.uids[-1] + np.uint32(1) if len(self.uids) else 0
        split = int(np.searchsorted(new_uids, first_new))
        if split:
            self._update(new_uids[:split], new_flags[:split], modseqs[:split])
        if split < len(new_uids):
            self._extend(new_uids[split:], new_flags[split:])
        if len(gone):
            gone = np.intersect1d(gone, self.uids, assume_unique=True)
            self.pending_expunges = np.union1d(self.pending_expunges, gone).astype("<u4")

    def _label(self, answer: SyncMailboxResponse) -> None:
        self.seq, self.incarnation = answer.seq, answer.incarnation
        self.highest_modseq = max(1, min(answer.mailbox.highest_modseq, answer.seq))
        self._learned.clear()

    def _update(self, uids: Uids, flags: Bits, modseqs: Bits) -> None:
        """Messages that the view may hold: note those whose flags the client does not know.

        A message that is not in the view and below its last UID came back with an older state of
        the store; it has no place in the order of this session and is seen at the next SELECT.
        """
        places = np.searchsorted(self.uids, uids)
        held = self.uids[places] == uids
        places, uids, flags, modseqs = places[held], uids[held], flags[held], modseqs[held]
        differ = self.flags[places] != flags
        for uid, modseq, differs in zip(uids.tolist(), modseqs.tolist(), differ.tolist(), strict=True):
            if differs or (self._learned.get(uid, 0) != modseq and modseq > self.seq):
                self._changed[uid] = modseq
        if differ.any():
            self._set_flags(places, flags)

    def _set_flags(self, places: NDArray[Any], flags: Bits) -> None:
        changed = self.flags.astype("<u8")
        changed[places] = flags
        self.flags = self._share("flags", _narrow(changed))

    def _extend(self, uids: Uids, flags: Bits) -> None:
        if len(self.uids):
            uids = np.concatenate((self.uids, uids))
            flags = np.concatenate((self.flags.astype("<u8"), flags))
        self.uids = self._share("uids", uids)
        self.flags = self._share("flags", _narrow(flags))

    def _share(self, column: str, array: NDArray[Any]) -> NDArray[Any]:
        """The array itself, or the equal one that another session of this process has."""
        key = (self.account, self.mailbox_id, column)
        other = _shared.get(key)
        if other is not None and other.dtype == array.dtype and np.array_equal(other, array):
            return other
        array.flags.writeable = False
        _shared[key] = array
        return array

    def learn_flags(self, columns: MessageColumns, keywords: Sequence[str] | None = None) -> None:
        """Flags that the client hears of in the reply to its own command."""
        if keywords is not None:
            self.keywords_changed |= self.set_keywords(keywords)
        uids = np.frombuffer(columns.uids, "<u4")
        if not len(uids) or not len(self.uids):
            return
        places = np.minimum(np.searchsorted(self.uids, uids), len(self.uids) - 1)
        held = self.uids[places] == uids
        modseqs = np.frombuffer(columns.modseqs, "<u8")
        self._set_flags(places[held], np.frombuffer(columns.flags, "<u8")[held])
        for uid, modseq in zip(uids[held].tolist(), modseqs[held].tolist(), strict=True):
            self._learned[uid] = modseq
            self._changed.pop(uid, None)

    def tell_again(self, columns: MessageColumns) -> None:
        """Have these messages' flags told with the next reply: the client has heard a part of the change."""
        uids, modseqs = np.frombuffer(columns.uids, "<u4"), np.frombuffer(columns.modseqs, "<u8")
        self._changed.update(zip(uids.tolist(), modseqs.tolist(), strict=True))

    def told_flags(self, uids: Uids) -> None:
        """FETCH has just told these messages' flags."""
        if self._changed:
            for uid in uids.tolist():
                self._changed.pop(uid, None)

    def set_keywords(self, keywords: Sequence[str]) -> bool:
        """Take the mailbox's list; True when it is another one."""
        found = tuple(keyword.encode("ascii") for keyword in keywords)
        if found == self.keywords:
            return False
        self.keywords = found
        return True

    def learn_expunged(self, uids: Uids) -> None:
        """Messages that the session itself has expunged or moved: told with the next reply."""
        gone = np.intersect1d(uids, self.uids)
        self.pending_expunges = np.union1d(self.pending_expunges, gone).astype("<u4")

    # -- names of messages --------------------------------------------------------------

    def resolve(self, sequence_set: Ranges, uid: bool, strict: bool = True) -> Uids:
        """UIDs of a set of sequence numbers or UIDs, ascending, each once.

        A sequence number that no message has is the client's mistake (strict), or ignored. A range
        to "*" always ends at the last message (RFC 9051 §9, seq-range), also when that is below its start.
        """
        count = len(self.uids)
        pairs = np.array(sequence_set.ranges, dtype=np.int64).reshape(-1, 2)
        starred = (pairs == 0).any(axis=1)
        last = int(self.uids[-1]) if uid and count else count
        if strict and not uid and (pairs[~starred] > count).any():
            raise SyntaxFault("There is no such message")
        if not count:
            return NO_UIDS
        pairs[pairs == 0] = last
        low, high = pairs.min(axis=1), pairs.max(axis=1)
        low[starred] = np.minimum(low[starred], last)
        if uid:
            starts, ends = np.searchsorted(self.uids, low), np.searchsorted(self.uids, high, side="right")
        else:
            starts, ends = np.minimum(low - 1, count), np.minimum(high, count)
        if len(starts) == 1:
            return self.uids[int(starts[0]) : int(ends[0])]
        edges = np.zeros(count + 1, dtype=np.int64)
        np.add.at(edges, starts, 1)
        np.add.at(edges, ends, -1)
        return self.uids[np.cumsum(edges[:-1]) > 0]

    def seqnos(self, uids: Uids) -> NDArray[np.int64]:
        """Sequence numbers of UIDs that are all in the view."""
        return np.searchsorted(self.uids, uids) + 1

    def flags_of(self, uids: Uids) -> Bits:
        """Flags, as far as the session knows, of UIDs that are all in the view."""
        return self.flags[np.searchsorted(self.uids, uids)]

    def untold(self, uids: Uids) -> NDArray[np.bool_]:
        """Which of these have flags of another session that the client has not been told of."""
        return np.isin(uids, np.fromiter(self._changed, "<u4", len(self._changed)))

    def is_recent(self, uids: Uids) -> NDArray[np.bool_]:
        """Which of these are \\Recent in this session."""
        if not len(self.recent):
            return np.zeros(len(uids), dtype=bool)
        places = np.minimum(np.searchsorted(self.recent, uids), len(self.recent) - 1)
        return np.asarray(self.recent[places] == uids)

    # -- to the client ------------------------------------------------------------------

    def opened(self) -> None:
        """SELECT tells all that there is: nothing is left to be told."""
        if len(self.pending_expunges):
            self._remove_expunged()
        self._told_exists, self._told_recent = len(self.uids), len(self.recent)
        self._changed.clear()
        self.keywords_changed = False

    @property
    def has_responses(self) -> bool:
        """Whether `take_responses` would say something, EXPUNGE not counted."""
        return bool(self._changed) or self.keywords_changed or self._told_exists != len(self.uids)

    def take_responses(self, allow_expunge: bool, condstore: bool = False) -> bytes:
        """What the client has not been told yet, as untagged responses."""
        lines = [self.take_counts()]
        if allow_expunge and len(self.pending_expunges):
            self._tell_expunges(lines)
            lines.append(self.take_counts())
        if self._changed:
            self._tell_flags(lines, condstore)
        return b"".join(lines)

    def take_counts(self) -> bytes:
        """The part of it that must come before anything that names a new message or a new keyword."""
        lines: list[bytes] = []
        if self._told_exists != len(self.uids):
            lines.append(b"* %d EXISTS\r\n" % len(self.uids))
            self._told_exists = len(self.uids)
        if self._told_recent != len(self.recent):
            lines.append(b"* %d RECENT\r\n" % len(self.recent))
            self._told_recent = len(self.recent)
        if self.keywords_changed:
            lines.append(self.flags_line())
            self.keywords_changed = False
        return b"".join(lines)

    def flags_line(self) -> bytes:
        """The flags that messages of this mailbox may have (RFC 3501 §7.2.6)."""
        return b"* FLAGS (%s)\r\n" % b" ".join((flag_names.SYSTEM_NAMES, *self.keywords))

    def _tell_expunges(self, lines: list[bytes]) -> None:
        """From the last to the first, so that no number shifts the next one."""
        places = np.searchsorted(self.uids, self.pending_expunges)
        lines += [b"* %d EXPUNGE\r\n" % (place + 1) for place in places[::-1].tolist()]
        self._remove_expunged()
        self._told_exists = len(self.uids)

    def _remove_expunged(self) -> None:
        places = np.searchsorted(self.uids, self.pending_expunges)
        self.recent = np.setdiff1d(self.recent, self.pending_expunges, assume_unique=True)
        for uid in self.pending_expunges.tolist():
            self._changed.pop(uid, None)
        self.uids = self._share("uids", np.delete(self.uids, places))
        self.flags = self._share("flags", np.delete(self.flags, places))
        self.pending_expunges = NO_UIDS

    def _tell_flags(self, lines: list[bytes], condstore: bool) -> None:
        uids = np.array(sorted(self._changed), "<u4")
        numbers, bits = self.seqnos(uids).tolist(), self.flags_of(uids).tolist()
        rows = zip(uids.tolist(), numbers, bits, self.is_recent(uids).tolist(), strict=True)
        for uid, number, flags, recent in rows:
            names = flag_names.render(flags, self.keywords, recent)
            if condstore:  # RFC 7162 §3.2: MODSEQ in every FETCH; UID helps such clients
                modseq = self._changed[uid]
                lines.append(b"* %d FETCH (UID %d FLAGS (%s) MODSEQ (%d))\r\n" % (number, uid, names, modseq))
            else:
                lines.append(b"* %d FETCH (FLAGS (%s))\r\n" % (number, names))
        self._changed.clear()


def _narrow(flags: Bits) -> Bits:
    """One octet a message, where no message has a keyword."""
    return flags.astype("u1") if not len(flags) or flags.max() < 256 else flags.astype("<u8")
