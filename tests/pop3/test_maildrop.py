"""A session's snapshot: numbers, sizes, marks, listings."""

import numpy as np
import pytest

from services.common.errors import Refused
from services.pop3.protocol import replies
from services.pop3.protocol.maildrop import ROWS_A_PIECE, Maildrop


def column(*values: int) -> bytes:
    return np.array(values, "<u4").tobytes()


def maildrop() -> Maildrop:
    return Maildrop(77, column(5, 9, 4_000_000_000), column(100, 200, 4_000_000_000))


def test_counts() -> None:
    drop = maildrop()
    assert (drop.count, drop.octets) == (3, 4_000_000_300)
    assert (drop.uid(2), drop.size(2), drop.unique_id(3)) == (9, 200, "77.4000000000")


def test_marks_and_reset() -> None:
    drop = maildrop()
    assert drop.deleted_uids() == b""
    drop.delete(2)
    assert (drop.count, drop.octets, drop.deleted_uids()) == (2, 4_000_000_100, column(9))
    assert drop.uid(3) == 4_000_000_000  # numbers stay
    for use in (drop.delete, drop.uid, drop.size, drop.unique_id):
        with pytest.raises(Refused) as caught:
            use(2)
        assert caught.value.reason == "MESSAGE_DELETED"
    drop.reset()
    assert (drop.count, drop.octets, drop.deleted_uids()) == (3, 4_000_000_300, b"")


@pytest.mark.parametrize("message", [0, 4, 9_999_999_999])
def test_no_such_message(message: int) -> None:
    with pytest.raises(Refused) as caught:
        maildrop().uid(message)
    assert caught.value.reason == "NO_SUCH_MESSAGE"


def test_listings() -> None:
    drop = maildrop()
    drop.delete(1)
    assert b"".join(drop.size_listing()) == b"2 200\r\n3 4000000000\r\n.\r\n"
    assert b"".join(drop.unique_id_listing()) == b"2 77.9\r\n3 77.4000000000\r\n.\r\n"
    assert list(Maildrop(1, b"", b"").size_listing()) == [b".\r\n"]


def test_a_long_listing_comes_in_pieces() -> None:
    count = 2 * ROWS_A_PIECE + 1
    uids = np.arange(1, count + 1, dtype="<u4").tobytes()
    pieces = list(Maildrop(1, uids, uids).size_listing())
    assert len(pieces) == 4
    expected = b"".join(b"%d %d\r\n" % (n, n) for n in range(1, count + 1)) + b".\r\n"
    assert b"".join(pieces) == expected


@pytest.mark.parametrize(
    ("reply", "octets"),
    [
        (replies.ok(), b"+OK\r\n"),
        (replies.ok("2 320"), b"+OK 2 320\r\n"),
        (replies.err("busy", replies.IN_USE), b"-ERR [IN-USE] busy\r\n"),
        (replies.err("[AUTH] not ours\r\n+OK"), b"-ERR (AUTH] not ours  +OK\r\n"),
        (replies.err("é"), b"-ERR ?\r\n"),
        (replies.challenge(b""), b"+ \r\n"),
    ],
)
def test_replies(reply: bytes, octets: bytes) -> None:
    assert reply == octets


def test_a_reply_line_has_at_most_512_octets() -> None:
    assert len(replies.err("x" * 1000)) == 512
