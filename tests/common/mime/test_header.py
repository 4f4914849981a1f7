"""Header fields: selection octet by octet, encoded words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.mime import decode_words, iterate_fields, select_fields

BLOCK = b"From: a@x\r\nX-Long: one\r\n\ttwo\r\nsubject : s\r\nFROM: b@x\r\nno field\r\nTo:c@x\r\n\r\n"


def test_selection_keeps_order_and_octets() -> None:
    assert select_fields(BLOCK, [b"SUBJECT", b"from", b"absent"]) == (
        b"From: a@x\r\nsubject : s\r\nFROM: b@x\r\n\r\n"
    )
    assert select_fields(BLOCK, [b"from", b"to"], True) == b"X-Long: one\r\n\ttwo\r\nsubject : s\r\n\r\n"
    assert select_fields(BLOCK, [b"absent"]) == b"\r\n"
    assert select_fields(b"To: x", [b"to"]) == b"To: x\r\n\r\n"


def test_fields() -> None:
    assert [name for name, _ in iterate_fields(BLOCK)] == [b"from", b"x-long", b"subject", b"from", b"to"]


WORDS = [
    (b"plain", "plain"),
    (b"=?utf-8?Q?J=C3=B6rg_M?=", "Jörg M"),
    (b"=?UTF-8?B?SsO2cmc=?=", "Jörg"),
    (b"=?utf-8?B?SsO2cmc?=", "Jörg"),
    (b"=?iso-8859-1?q?=E9?= =?utf-8?q?=C3=A9?=", "éé"),
    (b"a =?utf-8?q?b?= c", "a b c"),
    (b"=?utf-8*en?q?b?=", "b"),
    (b"=?no-such-charset?q?=C3=A9?=", "é"),
    (b"=?utf-8?x?b?=", "=?utf-8?x?b?="),
    ("schön".encode(), "schön"),
    (b"\xe9", "�"),
    (b"=?rot_13?q?abc?=", "abc"),
]


@pytest.mark.parametrize(("octets", "text"), WORDS)
def test_encoded_words(octets: bytes, text: str) -> None:
    assert decode_words(octets) == text


@given(
    st.lists(
        st.sampled_from(
            [b"=?", b"?=", b"?b?", b"?Q?", b"utf-7", b"hz", b"=E9", b"\xff", b" ", b"A==", b"iso-2022-jp"]
        )
    )
)
def test_any_octets_decode(pieces: list[bytes]) -> None:
    assert isinstance(decode_words(b"".join(pieces)), str)
