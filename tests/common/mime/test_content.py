"""Content-Type: the usual forms are read by one expression, to what the parser makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.mime import content as content_module
from services.common.mime.content import ContentType

PIECES = [
    *(b"text/plain", b"multipart/mixed", b"Message/RFC822", b"x", b"/", b";", b"=", b" ", b"\r\n\t", b"\n"),
    *(b"charset=", b"boundary=", b"name*0=", b"utf-8", b'"a b"', b'"', b'""', b"\\", b"(c)", b"\xe9", b"\0"),
]


def members(kind: ContentType) -> list[object]:
    return [kind.name, kind.subtype, kind.wire, kind.charset, kind.boundary, kind.leaf is kind, kind.is_text]


def test_usual_types_are_what_the_parser_makes_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = content_module._USUAL_TYPE

    @given(st.lists(st.sampled_from(PIECES), max_size=10).map(b"".join))
    def check(value: bytes) -> None:
        found = content_module._content_type(value)
        monkeypatch.setattr(content_module, "_USUAL_TYPE", lambda value: None)
        parsed = content_module._content_type(value)
        monkeypatch.setattr(content_module, "_USUAL_TYPE", usual)
        assert members(found) == members(parsed)

    check()


@pytest.mark.parametrize(
    "value", [b" text/plain; charset=utf-8\r", b' multipart/mixed;\r\n\tboundary="a b"', b"a/b; name=c"]
)
def test_the_usual_is_recognised(value: bytes) -> None:
    assert content_module._USUAL_TYPE(value) is not None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (rb"a (b) c", rb"a   c"),
        (rb'a "(b)" c', rb'a "(b)" c'),
        (rb"a (\)b) c", rb"a   c"),
        (rb"a \(b) c", rb"a \(b) c"),
        (rb"a \"(b) c", rb"a \"  c"),
        (rb"a (b (\)c) (d)) e", rb"a   e"),
        (rb'a (" (b) c) d', rb"a   d"),
        (rb"a (b)) (c)d", rb"a  )  d"),
        (rb"a (b (c) d", rb"a  "),
        (rb"(" * 32_000, rb" "),
        (rb"(" + rb"\(" * 16_000, rb" "),
        (rb'("' + rb"\"" * 16_000, rb" "),
        (rb'"' + rb"\"" * 16_000 + rb"(", rb'"' + rb"\"" * 16_000 + rb" "),
        (b"()" * 16_000, b" " * 16_000),
    ],
)
def test_comments(value: bytes, found: bytes) -> None:
    assert content_module._without_comments(value) == found
