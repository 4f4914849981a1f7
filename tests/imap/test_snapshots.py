"""Snapshots are bounded in octets, the most recently kept stay; a view may begin with one."""

import numpy as np

from buuta.v1.columns_pb2 import MessageColumns
from buuta.v1.mailbox_pb2 import Mailbox, SyncMailboxResponse
from services.imap.snapshots import Snapshot, Snapshots
from services.imap.view import View


def snapshot(messages: int) -> Snapshot:
    return Snapshot(7, 9, b"i", np.arange(1, messages + 1, dtype="<u4"), np.zeros(messages, "u1"))


def test_the_least_recently_kept_make_room() -> None:
    snapshots = Snapshots(limit=3 * snapshot(100).octets)
    for name in "abc":
        snapshots.keep("account", name, snapshot(100))
    snapshots.keep("account", "a", snapshot(100))
    snapshots.keep("account", "d", snapshot(100))
    assert [snapshots.get("account", name) is not None for name in "abcd"] == [True, False, True, True]
    snapshots.keep("account", "huge", snapshot(1000))
    assert [snapshots.get("account", name) for name in ("a", "c", "d", "huge")] == [None] * 4


def test_names_are_those_of_one_account() -> None:
    snapshots = Snapshots()
    snapshots.keep("account", "a", snapshot(1))
    assert snapshots.get("other", "a") is None


def test_a_view_that_begins_with_one_is_as_if_read_whole() -> None:
    view = View("account", 1)
    view.resume(np.array([1, 2, 5], "<u4"), np.array([0, 1, 8], "u1"))
    changed = MessageColumns(
        uids=np.array([5, 9], "<u4").tobytes(),
        flags=np.array([1, 65536], "<u8").tobytes(),
        modseqs=np.array([20, 21], "<u8").tobytes(),
    )
    view.apply(
        SyncMailboxResponse(
            mailbox=Mailbox(highest_modseq=21, keywords=["Mine"]),
            seq=21,
            vanished=np.array([2], "<u4").tobytes(),
            changed=changed,
            recent_first_uid=2,
        )
    )
    view.opened()
    assert view.uids.tolist() == [1, 5, 9]
    assert view.flags.tolist() == [0, 1, 65536]
    assert view.recent.tolist() == [5, 9]
    assert not view.has_responses
    assert view.take_responses(allow_expunge=True) == b""
