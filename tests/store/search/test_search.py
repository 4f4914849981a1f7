"""Search against a naive evaluation, the order of reads, and the limits."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buuta.v1.message_pb2 import SearchKey
from services.common.errors import Refused
from services.common.mime import parse, scan_message
from services.store.search import Uids, bodies, evaluate, pace, search
from services.store.search import message as message_module
from services.store.search.evaluate import MAX_DEPTH
from services.store.summary import Summary, decode_summary, encode_summary

KEYWORDS = ["$Forwarded", "todo"]
DAY = 86400


def message(number: int, subject: str, text: str, extra: str = "") -> bytes:
    return (
        f"From: Ann Example <ann{number}@example.com>\r\nTo: =?utf-8?q?J=C3=B6rg?= <j@example.org>\r\n"
        f"Subject: {subject}\r\nDate: {number + 1} Jan 1970 10:00 +0000\r\n{extra}\r\n{text}\r\n"
    ).encode()


ENCLOSING = "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\ninner text\r\n--b--"
MESSAGES = {
    3: message(0, "Hello World", "first body", "X-Spam: no\r\n"),
    7: message(1, "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "zweiter Körper", "Cc: copy@example.net\r\nX-Spam: yes\r\n"),
    8: message(2, "third", "c2VjcmV0", "Content-Transfer-Encoding: base64\r\n"),
    20: message(3, "fourth", ENCLOSING, "Content-Type: multipart/mixed; boundary=b\r\n"),
}


class Box:
    """A mailbox in memory that counts what is read of it."""

    def __init__(self, messages: dict[int, bytes]) -> None:
        self.messages = messages
        self.summaries_read: list[int] = []
        self.octets_read: list[int] = []
        count = len(messages)
        rows = np.arange(count)
        self.columns = SimpleNamespace(
            uids=np.array(sorted(messages), "<u4"),
            flags=(rows % 4).astype("<u8") | np.where(rows == 1, 1 << 17, 0).astype("<u8"),
            modseqs=(rows + 10).astype("<u8"),
            sizes=np.array([len(messages[uid]) for uid in sorted(messages)], "<u4"),
            # 23:30 UTC, one hour east for every other message: the next day there.
            internal_dates=((rows * DAY + 23 * 3600 + 1800) << 16 | (rows % 2 * 60)).astype("<i8"),
            save_dates=(rows * DAY).astype("<u4"),
        )
        self._records = {uid: self._record(octets) for uid, octets in messages.items()}

    @staticmethod
    def _record(octets: bytes) -> bytes:
        return encode_summary(scan_message(octets))

    async def summaries(self, uids: Uids) -> AsyncGenerator[tuple[int, Summary], None]:
        self.summaries_read += uids.tolist()
        for uid in uids.tolist():
            if uid in self._records:
                yield uid, decode_summary(self._records[uid])

    async def octets(self, uid: int, start: int, end: int) -> bytes:
        assert end - start <= bodies.PIECE
        self.octets_read.append(uid)
        return self.messages[uid][start:end] if uid in self._records else b""

    def lose(self, uid: int) -> None:
        """Its row is still in the columns, the rest is gone."""
        del self._records[uid]


def key(**fields: object) -> SearchKey:
    return SearchKey(**fields)  # type: ignore[arg-type]


def header(field: str, value: str = "") -> SearchKey:
    return key(header=SearchKey.Header(field=field, value=value))


def between(name: str, low: int, high: int = 0) -> SearchKey:
    return key(**{name: SearchKey.Range(min=low, max=high)})


def negation(inner: SearchKey) -> SearchKey:
    return key(**{"not": inner})


def group(kind: str, *keys: SearchKey) -> SearchKey:
    return key(**{kind: SearchKey.Group(keys=keys)})


def column(*uids: int) -> SearchKey:
    return key(uids=np.array(uids, "<u4").tobytes())


def flags(**test: object) -> SearchKey:
    return key(flags=SearchKey.FlagTest(**test))  # type: ignore[arg-type]


FOUND: list[tuple[SearchKey, list[int]]] = [
    (key(all=True), [3, 7, 8, 20]),
    (column(7, 20, 99), [7, 20]),
    (column(20, 3, 20, 3), [3, 20]),
    (column(), []),
    (flags(set=1), [7, 20]),
    (flags(set=1, clear=2), [7]),
    (flags(set=1, clear=1), []),
    (flags(keyword_set="TODO"), [7]),
    (flags(keyword_set="unknown"), []),
    (flags(keyword_clear="todo"), [3, 8, 20]),
    (flags(keyword_clear="unknown"), [3, 7, 8, 20]),
    (between("size", 0, len(MESSAGES[3]) + 1), [3]),
    (between("size", len(MESSAGES[3]), len(MESSAGES[20])), [3, 7, 8]),
    (between("internal_date", 2), [7, 8, 20]),
    (between("internal_date", 0, 2), [3]),
    (between("save_date", 1, 3), [7, 8]),
    (between("sent_date", 1, 3), [7, 8]),
    (between("sent_date", 3), [20]),
    (key(modseq=12), [8, 20]),
    (key(**{"from": "ANN1@"}), [7]),
    (key(**{"from": "example <ann"}), [3, 7, 8, 20]),
    (key(to="jörg"), [3, 7, 8, 20]),
    (key(cc="copy"), [7]),
    (key(bcc="x"), []),
    (key(subject="hello w"), [3]),
    (key(subject="grüsse"), [7]),
    (header("x-spam"), [3, 7]),
    (header("X-Spam", "YES"), [7]),
    (header("subject", "GRÜ"), [7]),
    (key(body="ZWEITER k"), [7]),
    (key(body="secret"), [8]),
    (key(body="inner TEXT"), [20]),
    (key(body="inside"), [20]),
    (key(body="third"), []),
    (key(text="third"), [8]),
    (key(text="x-spam: no"), [3]),
    (key(body=""), [3, 7, 8, 20]),
    (negation(key(body="body")), [7, 8, 20]),
    (group("and", key(body="o"), key(subject="h"), flags(clear=3)), [3]),
    (group("or", key(subject="hello"), key(modseq=13)), [3, 20]),
    (group("and"), [3, 7, 8, 20]),
    (group("or"), []),
]


@pytest.mark.parametrize(("program", "uids"), FOUND)
async def test_keys(program: SearchKey, uids: list[int]) -> None:
    assert (await search(program, Box(MESSAGES), KEYWORDS)).tolist() == uids


@pytest.mark.parametrize("uid", [3, 20])
async def test_reads_only_what_is_undecided(uid: int) -> None:
    box = Box(MESSAGES)
    program = group("and", key(body="e"), key(subject="o"), column(3, uid))
    await search(program, box, KEYWORDS)
    assert box.summaries_read == sorted({3, uid})
    assert set(box.octets_read) == {3, uid}
    box = Box(MESSAGES)
    await search(group("or", key(body="none"), key(subject="o"), negation(column(uid))), box, KEYWORDS)
    assert box.summaries_read == [uid]
    assert box.octets_read == []


async def test_columns_alone_read_nothing() -> None:
    box = Box(MESSAGES)
    await search(group("or", flags(set=1), negation(key(modseq=12))), box, KEYWORDS)
    assert box.summaries_read == []


async def test_a_message_that_is_gone_is_not_found() -> None:
    box = Box(MESSAGES)
    box.lose(7)
    assert (await search(negation(key(subject="hello")), box, KEYWORDS)).tolist() == [8, 20]


async def test_matches_across_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PIECE", 7)
    monkeypatch.setattr(message_module, "MAX_HEADER", 7)
    box = Box(MESSAGES)
    assert (await search(key(body="zweiter körper"), box, KEYWORDS)).tolist() == [7]
    assert (await search(key(body="secret"), box, KEYWORDS)).tolist() == [8]


async def test_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "BATCH", 3)
    program = group("or", key(subject="hello"), key(body="inner"))
    assert (await search(program, Box(MESSAGES), KEYWORDS)).tolist() == [3, 20]


async def test_each_message_is_looked_into_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys look at it: its summary, its envelope, its header and its small texts."""
    parsed: list[bytes] = []
    monkeypatch.setattr(message_module, "parse", lambda envelope: parsed.append(envelope) or parse(envelope))
    box = Box(MESSAGES)
    kinds = ("subject", "from", "to", "cc", "bcc")
    await search(group("or", *[key(**{kinds[n % 5]: f"none{n}"}) for n in range(30)]), box, KEYWORDS)
    assert box.summaries_read == sorted(MESSAGES)
    assert len(parsed) == len(set(parsed)) == len(MESSAGES)
    assert box.octets_read == []
    texts = [key(text=f"none{n}") for n in range(5)]
    headers = [header("X-Spam", f"none{n}") for n in range(5)]
    await search(group("or", *texts, *headers, column(7)), box, KEYWORDS)
    assert box.octets_read.count(3) == box.octets_read.count(8) == 2  # a header and a text
    assert 7 not in box.octets_read  # a column tells


async def test_what_is_kept_of_a_message_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_module, "MAX_KEPT", 10)
    box = Box({3: MESSAGES[3]})
    program = group("or", key(body="none"), key(body="nothing"), key(body="FIRST"))
    assert (await search(program, box, KEYWORDS)).tolist() == [3]
    assert box.octets_read == [3, 3, 3]


class Clock:
    """Goes on by the same step whenever a search looks at it, and notes how often others had their turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: float) -> None:
        self.now = 0.0
        self._step, self._last = step, 0.0
        self.turns, self.longest = 0, 0.0
        monkeypatch.setattr(pace, "monotonic", self._look)

    def _look(self) -> float:
        self.now += self._step
        return self.now

    async def others(self) -> None:
        while True:
            self.longest = max(self.longest, self.now - self._last)
            self._last = self.now
            self.turns += 1
            await asyncio.sleep(0)


MANY = {uid: message(uid % 20, f"number {uid}", "text") for uid in range(1, 641)}


@pytest.mark.parametrize(
    "program",
    [
        key(subject="none"),
        header("Subject", "none"),
        group("or", *[key(subject=f"none{n}") for n in range(10)]),
        group("and", *[negation(key(**{"from": f"none{n}"})) for n in range(10)]),
        key(text="none"),
        group("or", *[flags(keyword_set=f"none{n}") for n in range(640)]),
    ],
    ids=["one", "header", "or", "and", "text", "columns"],
)
async def test_others_have_their_turn(program: SearchKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is done in one go than a look at the clock at each message and each key shows."""
    box = Box(MANY)
    clock = Clock(monkeypatch, step=pace.HELD / 32)
    others = asyncio.ensure_future(clock.others())
    await search(program, box, KEYWORDS)
    others.cancel()
    assert clock.turns >= len(MANY) / 64
    assert clock.longest <= pace.HELD * 1.1


async def test_a_search_can_be_cancelled_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(MANY)
    clock = Clock(monkeypatch, step=pace.HELD / 32)
    others = asyncio.ensure_future(clock.others())
    parsed: list[bytes] = []
    monkeypatch.setattr(message_module, "parse", lambda envelope: parsed.append(envelope) or parse(envelope))
    work = asyncio.ensure_future(search(key(subject="none"), box, KEYWORDS))
    for _ in range(5):
        await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    others.cancel()
    assert 0 < len(parsed) < len(MANY) / 2


async def test_an_empty_mailbox() -> None:
    assert (await search(key(subject="x"), Box({}), KEYWORDS)).tolist() == []


async def test_limits() -> None:
    deep = key(all=True)
    for _ in range(MAX_DEPTH):
        deep = negation(deep)
    with pytest.raises(Refused):
        await search(deep, Box(MESSAGES), KEYWORDS)
    with pytest.raises(Refused):
        await search(group("or", *[key(all=True)] * 2000), Box(MESSAGES), KEYWORDS)
    with pytest.raises(Refused):
        await search(negation(SearchKey()), Box(MESSAGES), KEYWORDS)
    long = [key(subject="x" * 60_000)] * (evaluate.MAX_TEXTS // 60_000)
    assert (await search(group("or", *long), Box(MESSAGES), KEYWORDS)).tolist() == []
    with pytest.raises(Refused, match="too long"):
        await search(group("or", *long, key(body="x" * 60_000)), Box(MESSAGES), KEYWORDS)


# Any tree against the meaning of its nodes, leaf results taken from the table above.

LEAVES = st.sampled_from([entry for entry in FOUND if not entry[0].HasField("not")])
Tree = tuple[SearchKey, frozenset[int]]
EVERYTHING = frozenset(MESSAGES)


def combined(
    kind: str, join: Callable[[frozenset[int], frozenset[int]], frozenset[int]]
) -> Callable[[Tree, Tree], Tree]:
    return lambda one, two: (group(kind, one[0], two[0]), join(one[1], two[1]))


TREES: st.SearchStrategy[Tree] = st.recursive(
    LEAVES.map(lambda entry: (entry[0], frozenset(entry[1]))),
    lambda inner: st.one_of(
        inner.map(lambda tree: (negation(tree[0]), EVERYTHING - tree[1])),
        st.builds(combined("and", frozenset.intersection), inner, inner),
        st.builds(combined("or", frozenset.union), inner, inner),
    ),
    max_leaves=8,
)


@given(TREES)
@settings(deadline=None)
async def test_any_tree(tree: Tree) -> None:
    program, uids = tree
    assert (await search(program, Box(MESSAGES), KEYWORDS)).tolist() == sorted(uids)
