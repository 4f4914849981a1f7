"""Dot stuffing and TOP's cut: against the definitions, in pieces of any size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pop3.protocol.multiline import DotStuffer, TopCutter

MESSAGES = st.lists(
    st.sampled_from([b"Subject: x\r\n", b"\r\n", b".\r\n", b"..a\r\n", b".", b"abc\r\n", b"\r", b"\n", b"x"]),
    max_size=14,
).map(b"".join)
PIECE = st.integers(1, 9)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def stuff(data: bytes, size: int) -> bytes:
    stuffer = DotStuffer()
    return b"".join(stuffer.feed(piece) for piece in pieces(data, size)) + stuffer.finish()


def unstuff(answer: bytes) -> bytes:
    """As a client does: up to the line that is one dot, without the doubled dots."""
    body, end, rest = (b"\n" + answer).partition(b"\n.\r\n")
    assert end, "the end is missing"
    assert rest == b"", "the end comes too early"
    return (body + b"\n")[1:].replace(b"\n..", b"\n.").removeprefix(b"." if body[:3] == b"\n.." else b"")


@given(MESSAGES, PIECE)
def test_stuffed_messages_come_out_whole(message: bytes, size: int) -> None:
    answer = stuff(message, size)
    complete = message if message.endswith(b"\r\n") or not message else message + b"\r\n"
    assert unstuff(answer) == complete


@given(MESSAGES, PIECE)
def test_stuffing_in_any_pieces(message: bytes, size: int) -> None:
    assert stuff(message, size) == stuff(message, len(message) or 1)


def test_a_large_piece_without_dots_is_not_copied() -> None:
    piece = b"abc\r\n" * 1000
    assert DotStuffer().feed(piece) is piece


@pytest.mark.parametrize(
    ("message", "lines", "answer"),
    [
        (b"A: b\r\n\r\n1\r\n2\r\n3\r\n", 0, b"A: b\r\n\r\n"),
        (b"A: b\r\n\r\n1\r\n2\r\n3\r\n", 2, b"A: b\r\n\r\n1\r\n2\r\n"),
        (b"A: b\r\n\r\n1\r\n2\r\n3\r\n", 9, b"A: b\r\n\r\n1\r\n2\r\n3\r\n"),
        (b"A: b\r\n\r\n", 1, b"A: b\r\n\r\n"),
        (b"A: b\r\n", 1, b"A: b\r\n"),
        (b"\r\n1\r\n2\r\n", 1, b"\r\n1\r\n"),
        (b"A: b\r\n\r\n\r\n\r\n3\r\n", 2, b"A: b\r\n\r\n\r\n\r\n"),
        (b"A: b\r\n\r\nno end", 5, b"A: b\r\n\r\nno end"),
        (b"", 3, b""),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 100])
def test_top(message: bytes, lines: int, answer: bytes, size: int) -> None:
    cutter = TopCutter(lines)
    passed = b""
    for piece in pieces(message, size):
        passed += cutter.feed(piece)
        if cutter.done:
            break
    assert passed == answer
