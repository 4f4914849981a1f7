"""An account's mail in plain Python, as the index must behave: slow, and easy to see through."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from services.store.index.messages import NewMessage
from services.store.index.record import DELETED, SEEN, SHARED

ADD, REMOVE, REPLACE = 1, 2, 3


@dataclass(slots=True)
class Message:
    flags: int
    keywords: frozenset[str]
    body: bytes
    size: int
    summary: bytes
    modseq: int
    email: int
    created: int


@dataclass(slots=True)
class Box:
    id: int
    incarnation: int
    uidnext: int = 1
    modseq: int = 0
    recent: int = 1
    oldest: int = 0
    looked: int | None = None  # modseq at the collector's last look
    keywords: list[str] = field(default_factory=list)
    messages: dict[int, Message] = field(default_factory=dict)
    tombstones: dict[int, int] = field(default_factory=dict)  # UID → modseq

    def learn(self, words: Iterable[str]) -> frozenset[str]:
        """These keywords as the mailbox writes them; new ones are added in order."""
        found = set()
        for word in words:
            known = [one for one in self.keywords if one.lower() == word.lower()]
            if not known:
                self.keywords.append(word)
            found.add(known[0] if known else word)
        return frozenset(found)

    def bits(self, keywords: frozenset[str]) -> int:
        return sum(1 << 16 + place for place, word in enumerate(self.keywords) if word in keywords)

    def counts(self) -> tuple[int, int, int, int]:
        """Messages, unseen, deleted, octets."""
        held = list(self.messages.values())
        unseen = sum(not message.flags & SEEN for message in held)
        deleted = sum(bool(message.flags & DELETED) for message in held)
        return len(held), unseen, deleted, sum(message.size for message in held)


class Model:
    """One account with some mailboxes. Each method is one operation and tells what it must answer."""

    def __init__(self, seq: int, incarnation: int, boxes: dict[str, int]) -> None:
        self.seq, self.incarnation, self.server = seq, incarnation, incarnation
        self.boxes = {name: Box(id, incarnation, modseq=id) for name, id in boxes.items()}
        self.bodies: Counter[bytes] = Counter()
        self.garbage: set[bytes] = set()

    def _next(self, *boxes: Box) -> int:
        """The number of a change of these mailboxes; the first one behind n incarnations jumps n times."""
        self.seq += 2**20 * (self.server - self.incarnation)
        self.incarnation = self.server
        for box in boxes:
            box.uidnext += 10_000 * (self.server - box.incarnation)
            box.incarnation = self.server
        self.seq += 1
        return self.seq

    def _put(self, box: Box, message: Message) -> int:
        uid = box.uidnext
        box.messages[uid] = message
        box.uidnext, box.modseq = uid + 1, message.modseq
        self.bodies[message.body] += 1
        return uid

    def append(self, name: str, messages: Sequence[NewMessage]) -> list[int]:
        box, uids = self.boxes[name], []
        for m in messages:
            seq = self._next(box)
            words = box.learn(m.keywords)
            uids.append(self._put(box, Message(m.flags, words, m.body, m.size, m.summary, seq, seq, seq)))
        return uids

    def flags(
        self,
        name: str,
        uids: Sequence[int],
        operation: int,
        flags: int,
        words: Sequence[str],
        since: int | None,
    ) -> tuple[list[int], list[int], list[int]]:
        """UIDs that are as wanted now, those that changed since, those that are not there."""
        box = self.boxes[name]
        there = [uid for uid in uids if uid in box.messages]
        held = [uid for uid in there if since is None or box.messages[uid].modseq <= since]
        changed = {}
        for uid in held:
            old = box.messages[uid]
            wanted = (flags, {word.lower() for word in words})
            new = _combined(operation, (old.flags & 31, {word.lower() for word in old.keywords}), wanted)
            if new != (old.flags & 31, {word.lower() for word in old.keywords}):
                changed[uid] = new
        if changed:
            seq = self._next(box)
            if operation != REMOVE:
                box.learn(words)
            box.modseq = seq
            for uid, (bits, lower) in changed.items():
                message = box.messages[uid]
                message.flags = bits | message.flags & SHARED
                message.keywords = frozenset(word for word in box.keywords if word.lower() in lower)
                message.modseq = seq
        return held, [uid for uid in there if uid not in held], [uid for uid in uids if uid not in there]

    def copy(self, name: str, uids: Sequence[int], to: str, move: bool) -> tuple[list[int], list[int]]:
        source, target = self.boxes[name], self.boxes[to]
        there = [uid for uid in uids if uid in source.messages]
        new = []
        if there:
            seq = self._next(source, target)
            taken = [source.messages[uid] for uid in there]
            for message in taken:
                words = target.learn(word for word in source.keywords if word in message.keywords)
                copied = replace(message, keywords=words, modseq=seq, created=seq)
                new.append(self._put(target, copied))
            if move:
                for uid in there:
                    self._bury(source, uid, seq)
        return there, new

    def expunge(self, name: str, uids: Sequence[int], force: bool) -> list[int]:
        box = self.boxes[name]
        gone = [u for u in uids if u in box.messages and (force or box.messages[u].flags & DELETED)]
        if gone:
            seq = self._next(box)
            for uid in gone:
                self._bury(box, uid, seq)
        return gone

    def _bury(self, box: Box, uid: int, seq: int) -> None:
        body = box.messages.pop(uid).body
        box.tombstones[uid] = box.modseq = seq
        self.bodies[body] -= 1
        if not self.bodies[body]:
            del self.bodies[body]
            self.garbage.add(body)

    def claim_recent(self, name: str) -> int:
        box = self.boxes[name]
        first, box.recent = box.recent, box.uidnext
        return first if first < box.uidnext else 0

    def prune(self) -> None:
        """The collector looks through every mailbox with tombstones."""
        for box in self.boxes.values():
            if box.tombstones:
                old = [uid for uid, seq in box.tombstones.items() if box.looked and seq <= box.looked]
                if old and box.looked:
                    box.oldest = box.looked
                for uid in old:
                    del box.tombstones[uid]
                box.looked = box.modseq


Flags = tuple[int, set[str]]


def _combined(operation: int, old: Flags, wanted: Flags) -> Flags:
    match operation:
        case 1:
            return old[0] | wanted[0], old[1] | wanted[1]
        case 2:
            return old[0] & ~wanted[0], old[1] - wanted[1]
        case _:
            return wanted
