"""The line buffer: whole, byte by byte, in any pieces; over-long lines; raw octets between lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import SyntaxFault
from services.common.protocol.lines import LineBuffer, without_crlf

LIMIT = 12


def lines_of(pieces: list[bytes]) -> list[bytes | str]:
    """What an engine that only wants lines gets."""
    buffer, found = LineBuffer(LIMIT), list[bytes | str]()
    for piece in pieces:
        buffer.receive_data(piece)
        while True:
            try:
                line = buffer.next_line()
            except SyntaxFault as fault:
                found.append(fault.text)
                continue
            if line is None:
                break
            found.append(line)
        assert len(buffer) <= LIMIT
    return found


def plain(data: bytes) -> list[bytes | str]:
    """The definition."""
    lines = data.split(b"\n")[:-1]
    return [line + b"\n" if len(line) < LIMIT else "Line too long" for line in lines]


@given(st.lists(st.text(alphabet="ab\r\n", max_size=40).map(str.encode)))
def test_any_pieces(pieces: list[bytes]) -> None:
    assert lines_of(pieces) == plain(b"".join(pieces))


def test_byte_by_byte() -> None:
    data = b"one\r\n\r\nfar too long a line\r\nabcdefghij\r\nabcdefghijk\r\nrest"
    assert lines_of([bytes([octet]) for octet in data]) == lines_of([data]) == plain(data)


def test_octets_between_lines() -> None:
    buffer = LineBuffer(LIMIT)
    buffer.receive_data(b"five\r\nhel")
    assert buffer.next_line() == b"five\r\n"
    assert buffer.take(5) == b"hel"
    assert buffer.take(2) == b""
    buffer.receive_data(b"lonext\r\n")
    assert buffer.take(2) == b"lo"
    assert len(buffer) == 6
    assert buffer.next_line() == b"next\r\n"
    assert len(buffer) == 0


def test_an_incomplete_line_is_searched_once_for_its_end() -> None:
    buffer = LineBuffer(1 << 20)
    for _ in range(1000):
        buffer.receive_data(b"x" * 100)
        assert buffer.next_line() is None
    buffer.receive_data(b"\r\n")
    line = buffer.next_line()
    assert line is not None
    assert len(line) == 100_002


@pytest.mark.parametrize("line", [b"NOOP\n", b"NO\rOP\r\n", b"NOOP\r\r\n", b"NOOP\r", b""])
def test_lines_that_do_not_end_in_crlf(line: bytes) -> None:
    with pytest.raises(SyntaxFault):
        without_crlf(line)


def test_content() -> None:
    assert without_crlf(b"NOOP\r\n") == b"NOOP"
    assert without_crlf(b"\r\n") == b""
