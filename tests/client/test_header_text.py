"""Header fields as `buuta message list` shows them: anybody can send any of these."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buuta.cli.header_text import field_text, header_texts
from buuta.cli.output import clean

# A field's octets and the text that is shown.
FIELDS = [
    (b'"', '"'),
    (b"<", "<"),
    (b"a:;b:", "a:;b:"),
    (b"a@[", "a@["),
    (b"", ""),
    (b"[red]Hello[/red]", "[red]Hello[/red]"),
    (b"=?utf-8?q?caf=C3=A9?= <a@b.example>", "café <a@b.example>"),
    (b"=?utf-8?b?Y2Fmw6k=?=", "café"),
    (b"=?ISO-8859-1*fr?q?caf=E9?=", "café"),
    (b"=?utf-8?q?=F0=9F?=\r\n =?utf-8?q?=98=80?=", "😀"),
    (b"one\r\n\ttwo", "one\ttwo"),
    ("gr\u00fc\u00df".encode(), "grüß"),
    (b"caf\xe9", "caf\ufffd"),
    (b"=?utf-8?q?caf=E9?=", "caf\ufffd"),
    (b"=?unknown-cs?q?=ff?=", "=?unknown-cs?q?=ff?="),
    (b"=?rot13?q?zz?=", "=?rot13?q?zz?="),
    (b"=?undefined?q?x?=", "=?undefined?q?x?="),
    (b"=?idna?q?xn--a-=2E?=", "=?idna?q?xn--a-=2E?="),
    (b"=?utf-8?b?a?=", "=?utf-8?b?a?="),
    (b"=?utf-8?q?", "=?utf-8?q?"),
    (b"=?x?", "=?x?"),
]


@pytest.mark.parametrize(("octets", "text"), FIELDS, ids=lambda v: repr(v)[:30])
def test_fields(octets: bytes, text: str) -> None:
    assert field_text(octets) == text
    assert header_texts(b"From: " + octets + b"\r\n\r\n").get("from", "") == text


PARTS = [b"=?", b"?=", b"?", b"b", b"Q", b'"', b"<", b" ", b"\r\n ", b"\r", b"\0", b":", b"\xff"]
PARTS += [b"utf-7", b"unicode_escape", b"\\ud800", b"+2AA-", b"\x1b[31m", b"=1B"]


@given(st.lists(st.sampled_from(PARTS)))
def test_nothing_raises_and_nothing_moves_the_cursor(parts: list[bytes]) -> None:
    texts = header_texts(b"Subject: " + b"".join(parts) + b"\r\n\r\n")
    for text in texts.values():
        clean(text).encode()
        assert not set(clean(text)) & {chr(n) for n in (*range(0x20), *range(0x7F, 0xA0))}


def test_the_first_of_a_field_counts() -> None:
    assert header_texts(b"SUBJECT: one\r\nSubject: two\r\n\r\n") == {"subject": "one"}
