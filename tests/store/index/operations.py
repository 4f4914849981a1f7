"""Random operations on an account's mail, performed on the index and, side by side, on the model."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from services.store.index import keys
from services.store.index.core import Scope
from services.store.index.index import Index
from services.store.index.messages import FlagChange
from tests.store.index.model import Model
from tests.store.index.support import Redis, message, new_account, request, uids

BOXES = {"INBOX": 1, "Drafts": 2, "Sent": 3}
ANY_TIME = 2**45

box = st.sampled_from(sorted(BOXES))
flags = st.integers(0, 31)
words = st.lists(st.sampled_from(["a", "B", "c", "$Junk"]), max_size=3, unique=True)
places = st.lists(st.integers(0, 400), max_size=8)
operations = st.lists(
    st.one_of(
        st.tuples(
            st.just("append"), box, st.lists(st.tuples(flags, words, st.booleans()), min_size=1, max_size=4)
        ),
        st.tuples(st.just("bulk"), box, st.integers(1, 200)),
        st.tuples(st.just("flags"), box, places, st.sampled_from([1, 2, 3]), flags, words, st.booleans()),
        st.tuples(st.just("copy"), box, places, box, st.booleans()),
        st.tuples(st.just("expunge"), box, places, st.booleans()),
        st.tuples(st.just("recent"), box),
        st.tuples(st.just("prune")),
        st.tuples(st.just("incarnation")),
    ),
    max_size=25,
)


@dataclass(slots=True)
class Pair:
    """An account in the index, and its model."""

    index: Index
    redis: Redis
    scope: Scope
    model: Model

    @staticmethod
    async def make(index: Index, redis: Redis) -> "Pair":
        scope = await new_account(index)
        header = await index.account(scope.account)
        assert header is not None
        return Pair(index, redis, scope, Model(header.seq, header.incarnation, BOXES))

    def pick(self, name: str, places: list[int]) -> list[int]:
        """UIDs of messages, of tombstones, and one that never was."""
        box = self.model.boxes[name]
        known = [*box.messages, *box.tombstones, box.uidnext + 7]
        return sorted({known[place % len(known)] for place in places})

    async def perform(self, operation: tuple[Any, ...]) -> None:
        """One operation on both; they must answer the same."""
        model, index, scope = self.model, self.index, self.scope
        match operation:
            case ("append", name, drawn):
                sent = [message(bits, keywords, 100, shared) for bits, keywords, shared in drawn]
                done = await index.append(scope, request(), name, sent)
                assert uids(*model.append(name, sent)).tobytes() == done.uids
            case ("bulk", name, count):
                sent = [message(size=10) for _ in range(count)]
                done = await index.append(scope, request(), name, sent)
                assert uids(*model.append(name, sent)).tobytes() == done.uids
            case ("flags", name, places, kind, bits, keywords, conditional):
                await self.flags(name, self.pick(name, places), kind, bits, keywords, conditional)
            case ("copy", name, places, to, move):
                which = self.pick(name, places)
                copied = await index.copy(scope, request(), BOXES[name], uids(*which), to, move)
                expected = model.copy(name, which, to, move)
                assert (copied.source_uids.tolist(), copied.destination_uids.tolist()) == expected
                assert (copied.destination, copied.seq) == (BOXES[to], model.seq)
            case ("expunge", name, places, force):
                which = self.pick(name, places)
                seq, gone = await index.expunge(scope, request(), BOXES[name], uids(*which), force)
                assert (gone.tolist(), seq) == (model.expunge(name, which, force), model.seq)
            case ("recent", name):
                first = await index.claim_recent(scope, request(), BOXES[name])
                assert first == model.claim_recent(name)
            case ("prune",):
                await index.prune(keys.shard_of(scope.account), ANY_TIME)
                model.prune()
            case _:
                self.redis.new_incarnation()
                header = await index.account(scope.account)
                assert header is not None
                assert header.incarnation > model.server
                model.server = header.incarnation

    async def flags(
        self, name: str, which: list[int], kind: int, bits: int, keywords: list[str], conditional: bool
    ) -> None:
        since = self.model.boxes[name].modseq - 1 if conditional else None
        change = FlagChange(kind, bits, keywords, since)
        done = await self.index.update_flags(self.scope, request(), BOXES[name], uids(*which), change)
        expected = self.model.flags(name, which, kind, bits, keywords, since)
        assert (done.uids.tolist(), done.modified.tolist(), done.missing.tolist()) == expected
        box = self.model.boxes[name]
        assert (done.seq, done.keywords) == (self.model.seq, box.keywords)
        held = [box.messages[uid] for uid in expected[0]]
        assert done.flags.tolist() == [m.flags & 31 | box.bits(m.keywords) for m in held]
        assert done.modseqs.tolist() == [m.modseq for m in held]
