"""Line ends of appended messages."""

import re

from hypothesis import given
from hypothesis import strategies as st

from services.imap.protocol.crlf import Normaliser


@given(st.lists(st.text("\r\na", max_size=6), max_size=8))
def test_every_line_ends_in_crlf_whatever_the_chunks(chunks: list[str]) -> None:
    normaliser = Normaliser()
    fed = b"".join(normaliser.feed(chunk.encode()) for chunk in chunks)
    assert fed == re.sub(rb"(?<!\r)\n", b"\r\n", "".join(chunks).encode())


def test_nul_is_noted() -> None:
    normaliser = Normaliser()
    normaliser.feed(b"a\0")
    normaliser.feed(b"b")
    assert normaliser.nul
