"""Text of parts: encodings, charsets, pieces of any size, previews."""

import base64
import quopri
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.mime import TextDecoder, decoded_text
from tests.common.mime.samples import crlf, scan

pytestmark = pytest.mark.usefixtures("either_scanner")


@pytest.mark.parametrize(
    ("octets", "encoding", "charset", "text"),
    [
        (b"caf=C3=A9=\r\n!", b"quoted-printable", b"utf-8", "café!"),
        (b"Y2Fm\r\nw6k=", b"BASE64", b"UTF-8", "café"),
        (b"Y2Fmw6k", b"base64", b"utf-8", "café"),
        (b"caf\xe9 \x93", b"8BIT", b"iso-8859-1", "café “"),
        ("café".encode(), b"7BIT", b"us-ascii", "café"),
        (b"caf\xe9", b"7BIT", b"unknown-8bit", "caf�"),
        ("日本".encode("iso2022_jp"), b"7BIT", b"ISO-2022-JP", "日本"),
        (b"abc", b"x-unknown", b"", "abc"),
    ],
)
def test_decoded_text(octets: bytes, encoding: bytes, charset: bytes, text: str) -> None:
    assert decoded_text(octets, encoding, charset) == text


@given(
    octets=st.binary(max_size=100),
    encoding=st.sampled_from([b"7BIT", b"BASE64", b"QUOTED-PRINTABLE"]),
    charset=st.sampled_from(sorted(set(aliases.values()))),
)
def test_nothing_raises(octets: bytes, encoding: bytes, charset: str) -> None:
    assert isinstance(decoded_text(octets, encoding, charset.encode()), str)


@given(
    text=st.text(max_size=80),
    size=st.integers(1, 9),
    encoding=st.sampled_from(["BASE64", "QUOTED-PRINTABLE", "8BIT"]),
)
def test_pieces_of_any_size(text: str, size: int, encoding: str) -> None:
    octets = text.replace("\r", "").replace("\n", "\r\n").encode("utf-8", "replace")
    encode = {"BASE64": base64.encodebytes, "QUOTED-PRINTABLE": quopri.encodestring, "8BIT": bytes}[encoding]
    encoded = encode(octets)
    decoder = TextDecoder(encoding.encode(), b"utf-8")
    pieces = [decoder.feed(encoded[start : start + size]) for start in range(0, len(encoded), size)]
    assert "".join([*pieces, decoder.finish()]) == decoded_text(encoded, encoding.encode(), b"utf-8")
    if encoding != "QUOTED-PRINTABLE":
        assert decoded_text(encoded, encoding.encode(), b"utf-8") == octets.decode()


PREVIEWS = [
    ("\n  Hello,\n\n  world \n", "Hello, world"),
    ("\n" + "word " * 100, ("word " * 100)[:99]),
    (
        "Content-Type: text/html\n\n<html><head><title>T</title><style>p {}</style></head>"
        "<body><!-- x --><p>One &amp;\n two</p><script>no()</script>&nbsp;three",
        "One & two three",
    ),
    ("Content-Type: text/html\n\n<style>never closed", ""),
    ("Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: base64\n\n6ek=\n", "éé"),
    # An empty first text, or an attached one, is passed over.
    ("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n \n--b\n\nsecond\n--b--\n", "second"),
    (
        "Content-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Disposition: attachment\n\nfile\n--b\n\ntext\n--b--\n",
        "text",
    ),
    ("Content-Type: image/png\n\nAAAA", ""),
    # Words that come late, behind a style sheet or much white space, are found all the same.
    ("Content-Type: text/html\n\n<style>" + "p {} " * 1000 + "</style><p>late &lt;words&gt;", "late <words>"),
    ("\n" + " \n" * 2000 + "late\x01words", "late words"),
    ("Content-Type: text/html\n\n" + "<p>x &amp; y</p>\n" * 100, ("x & y " * 17)[:99].rstrip()),
    # What takes no room in a list: soft hyphens, zero width, a joiner that counts as printable.
    ("Content-Type: text/plain; charset=utf-8\n\na\u00ad\u200b \u034f \u2060b\u3000c\n", "a b c"),
]


@pytest.mark.parametrize(("message", "preview"), PREVIEWS)
def test_preview(message: str, preview: str) -> None:
    assert scan(crlf(message)).preview.decode() == preview
