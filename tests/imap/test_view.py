"""A session's view: what its client is told, and when."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buuta.v1.columns_pb2 import MessageColumns
from buuta.v1.mailbox_pb2 import Mailbox, SyncMailboxResponse
from services.common.errors import SyntaxFault
from services.imap.view import View


@dataclass
class Ranges:
    ranges: list[tuple[int, int]] = field(default_factory=list)


def columns(rows: list[tuple[int, int, int]]) -> MessageColumns:
    uids, flags, modseqs = zip(*rows, strict=True) if rows else ((), (), ())
    return MessageColumns(
        uids=np.array(uids, "<u4").tobytes(),
        flags=np.array(flags, "<u8").tobytes(),
        modseqs=np.array(modseqs, "<u8").tobytes(),
    )


def answer(
    seq: int,
    rows: list[tuple[int, int, int]] | None = None,
    vanished: list[int] | None = None,
    full: bool = False,
    keywords: list[str] | None = None,
    recent: int = 0,
) -> SyncMailboxResponse:
    return SyncMailboxResponse(
        mailbox=Mailbox(id=1, uidvalidity=7, highest_modseq=seq, keywords=keywords or []),
        seq=seq,
        full=full,
        vanished=np.array(vanished or [], "<u4").tobytes(),
        changed=columns(rows or []),
        recent_first_uid=recent,
    )


def opened(*uids: int, seq: int = 10) -> View:
    view = View("a", 1)
    view.apply(answer(seq, [(uid, 0, 1) for uid in uids], full=True))
    view.opened()
    return view


def resolve(view: View, *ranges: tuple[int, int], uid: bool = False) -> list[int]:
    found: list[int] = view.resolve(Ranges(list(ranges)), uid).tolist()
    return found


def test_nothing_changed_nothing_said() -> None:
    view = opened(3, 5, 9)
    assert view.take_responses(True) == b""
    view.apply(answer(11))
    assert view.take_responses(True) == b""


def test_new_messages() -> None:
    view = opened(3, 5)
    view.apply(answer(11, [(9, 1, 11)], recent=9))
    assert view.has_responses
    assert view.take_responses(False) == b"* 3 EXISTS\r\n* 1 RECENT\r\n"
    assert view.is_recent(view.uids).tolist() == [False, False, True]
    assert view.take_responses(True) == b""


def test_expunges_wait_and_keep_their_places() -> None:
    view = opened(3, 5, 9, 12)
    view.apply(answer(11, vanished=[3, 9, 100]))
    assert view.take_responses(False) == b""
    assert resolve(view, (1, 0)) == [3, 5, 9, 12]
    assert view.seqnos(np.array([12], "<u4")).tolist() == [4]
    assert view.take_responses(True) == b"* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n"
    assert view.uids.tolist() == [5, 12]
    assert view.take_responses(True) == b""


def test_new_and_expunged_at_once() -> None:
    view = opened(3, 5)
    view.apply(answer(11, [(9, 0, 11)], vanished=[3]))
    assert view.take_responses(True) == b"* 3 EXISTS\r\n* 1 EXPUNGE\r\n"
    assert view.uids.tolist() == [5, 9]


def test_expunged_before_it_was_told() -> None:
    view = opened(3)
    view.apply(answer(11, [(9, 0, 11)]))
    view.apply(answer(12, vanished=[9]))
    assert view.take_responses(True) == b"* 2 EXISTS\r\n* 2 EXPUNGE\r\n"


def test_flags_of_others_are_told() -> None:
    view = opened(3, 5)
    view.apply(answer(11, [(5, 1 | 1 << 16, 11)], keywords=["$Junk"]))
    flags_line = b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Junk)\r\n"
    assert view.take_responses(False) == flags_line + b"* 2 FETCH (FLAGS (\\Seen $Junk))\r\n"
    view.apply(answer(12, [(5, 0, 12)], keywords=["$Junk"]))
    assert view.take_responses(False, condstore=True) == b"* 2 FETCH (UID 5 FLAGS () MODSEQ (12))\r\n"


def test_own_flags_are_not_told_again() -> None:
    view = opened(3, 5)
    view.learn_flags(columns([(5, 1, 11), (77, 1, 11)]))
    assert view.flags.tolist() == [0, 1]
    view.apply(answer(11, [(5, 1, 11)]))
    assert view.take_responses(True) == b""


def test_flags_that_changed_there_and_back_are_told() -> None:
    view = opened(3, 5)
    view.apply(answer(12, [(5, 0, 12)]))
    assert view.take_responses(True, condstore=True) == b"* 2 FETCH (UID 5 FLAGS () MODSEQ (12))\r\n"


def test_untold_flags() -> None:
    view = opened(3, 5)
    view.apply(answer(11, [(5, 1, 11)]))
    assert view.untold(view.uids).tolist() == [False, True]
    view.learn_flags(columns([(5, 3, 12)]))
    assert view.untold(view.uids).tolist() == [False, False]


def test_flags_are_told_again() -> None:
    view = opened(3, 5)
    view.learn_flags(columns([(5, 3, 11)]))
    view.tell_again(columns([(5, 3, 11)]))
    assert view.take_responses(True) == b"* 2 FETCH (FLAGS (\\Seen \\Answered))\r\n"


def test_own_expunges() -> None:
    view = opened(3, 5)
    view.learn_expunged(np.array([3], "<u4"))
    view.apply(answer(11, vanished=[3]))
    assert view.take_responses(True) == b"* 1 EXPUNGE\r\n"
    view.apply(answer(12, vanished=[3]))
    assert view.take_responses(True) == b""


def test_full_comparison_after_an_older_state_of_the_store() -> None:
    view = opened(3, 5, 9)
    # 4 is back and has no place in this session; 5 is gone; 10009 is new.
    view.apply(answer(2**20, [(3, 1, 4), (4, 0, 4), (9, 0, 4), (10009, 0, 5)], full=True))
    assert view.take_responses(True) == b"* 4 EXISTS\r\n* 2 EXPUNGE\r\n* 1 FETCH (FLAGS (\\Seen))\r\n"
    assert view.uids.tolist() == [3, 9, 10009]


def test_highest_modseq_is_not_above_what_was_read() -> None:
    view = View("a", 1)
    late = answer(10, full=True)
    late.mailbox.highest_modseq = 12
    view.apply(late)
    assert view.highest_modseq == 10


def test_sequence_numbers() -> None:
    view = opened(3, 5, 9, 12)
    assert resolve(view, (1, 1)) == [3]
    assert resolve(view, (2, 3)) == [5, 9]
    assert resolve(view, (3, 2)) == [5, 9]
    assert resolve(view, (0, 0)) == [12]
    assert resolve(view, (0, 3)) == [9, 12]
    assert resolve(view, (4, 4), (1, 2), (2, 2)) == [3, 5, 12]
    assert resolve(view, (9, 0)) == [12]
    assert resolve(View("a", 1), (1, 0)) == []
    assert view.resolve(Ranges([(4, 5)]), uid=False, strict=False).tolist() == [12]
    for wrong in ((5, 5), (1, 5)):
        with pytest.raises(SyntaxFault):
            resolve(view, wrong)


def test_uids() -> None:
    view = opened(3, 5, 9, 12)
    assert resolve(view, (4, 9), uid=True) == [5, 9]
    assert resolve(view, (100, 0), uid=True) == [12]
    assert resolve(view, (100, 200), uid=True) == []
    assert resolve(view, (1, 0), uid=True) == [3, 5, 9, 12]
    assert resolve(view, (1, 3), (12, 4294967295), uid=True) == [3, 12]
    assert resolve(View("a", 1), (1, 0), uid=True) == []


def test_sessions_share_arrays() -> None:
    one, two = opened(3, 5), opened(3, 5)
    assert one.uids is two.uids
    assert one.flags is two.flags
    two.learn_flags(columns([(5, 1, 11)]))
    assert one.flags.tolist() == [0, 0]
    assert not one.uids.flags.writeable


Change = tuple[int, set[int], dict[int, int], bool]  # added, expunged, flags, may expunge


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sets(st.integers(1, 12)),
            st.dictionaries(st.integers(1, 12), st.integers(0, 31), max_size=3),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_a_client_that_follows_the_responses_knows_the_mailbox(changes: list[Change]) -> None:
    """Play the responses on a client's list: it has the messages and flags of the store."""
    store: dict[int, int] = {1: 0, 2: 0}
    view = opened(1, 2)
    client: list[int | None] = [0, 0]  # flags; None: not asked for yet
    next_uid, seq = 3, 10
    for added, gone, flags, allow_expunge in changes:
        seq += 1
        changed = {uid: bits for uid, bits in flags.items() if uid in store}
        for _ in range(added):
            changed[next_uid] = 0
            next_uid += 1
        store.update(changed)
        vanished = sorted(gone & store.keys())
        for uid in vanished:
            del store[uid]
            changed.pop(uid, None)
        view.apply(answer(seq, [(u, f, seq) for u, f in sorted(changed.items())], vanished))
        follow(client, view.take_responses(allow_expunge))
    follow(client, view.take_responses(True))
    assert view.uids.tolist() == sorted(store)
    assert len(client) == len(store)
    for known, uid in zip(client, sorted(store), strict=True):
        assert known is None or known == store[uid]


def follow(client: list[int | None], responses: bytes) -> None:
    names = [b"\\Seen", b"\\Answered", b"\\Flagged", b"\\Deleted", b"\\Draft"]
    for line in responses.splitlines():
        _, number, word, *rest = line.split(b" ", 3)
        if word == b"EXISTS":
            client.extend([None] * (int(number) - len(client)))
            assert len(client) == int(number)
        elif word == b"EXPUNGE":
            del client[int(number) - 1]
        elif word == b"FETCH":
            client[int(number) - 1] = sum(1 << n for n, name in enumerate(names) if name in rest[0])
