"""The octets of messages: unstuffing, the one end, smuggling, any chunking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.smtp.protocol.data import DataReader, Problem

# Octets behind DATA, the message they are, and the octets behind its end (RFC 5321 §4.5.2).
MESSAGES = [
    (b".\r\n", b"", b""),
    (b"hello\r\n.\r\n", b"hello\r\n", b""),
    (b"..\r\n.\r\n", b".\r\n", b""),
    (b"..dot\r\n...\r\n.\r\nQUIT\r\n", b".dot\r\n..\r\n", b"QUIT\r\n"),
    (b".x\r\n.\r\n", b"x\r\n", b""),
    (b"\r\n\r\n\r\n.\r\nA", b"\r\n\r\n\r\n", b"A"),
    (b"a\r\n.b\r\n.\r\n.\r\n", b"a\r\nb\r\n", b".\r\n"),
    (b"\x00\xff8-bit\r\n.\r\n", b"\x00\xff8-bit\r\n", b""),
]
# What other servers have taken for the end of a message; here nothing but CRLF.CRLF is.
SMUGGLED = [
    b"a\n.\n",
    b"a\n.\r\n",
    b"a\r\n.\n",
    b"a\r.\r",
    b"a\r.\r\n",
    b"a\r\n.\r",
    b"a\r\n.\r\r\n",
    b"a\r\n\x00.\r\n",
    b"a\n\r\n.\n",
    b"a\r\r\n",
    b"\n",
    b"\r",
    b"x\r\n\r.\r\n",
]


def read(octets: bytes, size: int, most: int = 1 << 20) -> tuple[bytes, bytes, DataReader]:
    """(message, what is behind it, the reader) when the octets come in pieces of this size."""
    reader, message = DataReader(most), b""
    for at in range(0, len(octets), size):
        piece = octets[at : at + size]
        data, behind = reader.feed(piece)
        message += data
        if behind is not None:
            return message, piece[len(piece) - behind :] + octets[at + size :], reader
    raise AssertionError("the end was not seen")


@pytest.mark.parametrize(("octets", "message", "behind"), MESSAGES)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 1000])
def test_messages(octets: bytes, message: bytes, behind: bytes, size: int) -> None:
    got, rest, reader = read(octets, size)
    assert (got, rest, reader.problem) == (message, behind, None)
    assert reader.size == len(message)


@pytest.mark.parametrize("octets", SMUGGLED)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_smuggling_never_ends_a_message(octets: bytes, size: int) -> None:
    hidden = b"MAIL FROM:<evil@example.net>\r\n"
    _, rest, reader = read(b"x\r\n" + octets + hidden + b".\r\nQUIT\r\n", size)
    assert rest == b"QUIT\r\n"
    if octets != b"a\r\n\x00.\r\n":
        assert reader.problem is Problem.BARE_LINE_END


@given(
    st.lists(
        st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\r\n.\r\n", b"\x00", b"\xff"]), max_size=30
    ),
    st.integers(1, 9),
)
def test_any_chunking_gives_the_same(parts: list[bytes], size: int) -> None:
    octets = b"".join(parts) + b"\r\n.\r\n"
    whole, piecewise = read(octets, len(octets)), read(octets, size)
    assert piecewise[1] == whole[1]
    assert piecewise[2].problem == whole[2].problem
    if whole[2].problem is None:
        assert piecewise[0] == whole[0]


def test_a_message_beyond_the_limit_is_read_to_its_end() -> None:
    message, rest, reader = read(b"x" * 500 + b"\r\n.\r\nNOOP\r\n", 10, most=100)
    assert reader.problem is Problem.TOO_LARGE
    assert len(message) <= 100
    assert rest == b"NOOP\r\n"
