"""The scanner: tables of small messages, any octets in any chunking, agreement with the standard library."""

import email
import email.policy
from email.message import EmailMessage, Message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.mime import Scan, body_from_structure, parse
from services.common.mime import delimiters as delimiters_module
from services.common.mime import scanner as scanner_module
from services.common.mime import walk as walk_module
from tests.common.mime.samples import NESTED, crlf, scan

pytestmark = pytest.mark.usefixtures("either_scanner")

NO_EXTENSION = "NIL NIL NIL NIL"

STRUCTURES = [
    # A plain message, and the defaults of RFC 2045 §5.2.
    ("\nhello\n", f'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 7 1 {NO_EXTENSION})'),
    ("Subject: x\n", f'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 0 0 {NO_EXTENSION})'),
    ("", f'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 0 0 {NO_EXTENSION})'),
    (
        "Content-Type: nonsense\n\nx",
        f'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 1 1 {NO_EXTENSION})',
    ),
    (
        'Content-Type: image/png; name="a \\"b\\".png" (a picture)\n'
        "Content-Transfer-Encoding: Base64\n\nAA==\n",
        f'("IMAGE" "PNG" ("NAME" "a \\"b\\".png") NIL NIL "BASE64" 6 {NO_EXTENSION})',
    ),
    # Comments nest (RFC 5322 §3.2.2).
    (
        "Content-Type: multipart/mixed (a (b) c); boundary=x\n\n--x\nContent-Language: (a (b) c) en\n"
        "Content-Disposition: (x (y)) attachment\nContent-Transfer-Encoding: (a (b) c) base64\n\n--x--\n",
        '(("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "BASE64" 0 0 NIL ("ATTACHMENT" NIL) ("en") NIL)'
        ' "MIXED" ("BOUNDARY" "x") NIL NIL NIL)',
    ),
    # RFC 2231: continuations are joined, extended values keep their encoding.
    (
        'Content-Type: text/plain; charset=utf-8; name*0="long ";\n name*1=name\n'
        "Content-Disposition: attachment; filename*0*=utf-8''caf%C3%A9; filename*1=\" 50%\"\n\n",
        '("TEXT" "PLAIN" ("CHARSET" "utf-8" "NAME" "long name") NIL NIL "7BIT" 0 0 NIL '
        '("ATTACHMENT" ("FILENAME*" "utf-8\'\'caf%C3%A9 50%25")) NIL NIL)',
    ),
    # 8-bit text in a header goes as a literal.
    (
        'Content-Type: text/plain; name="é"\n\n',
        '("TEXT" "PLAIN" ("CHARSET" "us-ascii" "NAME" {2}\r\né) NIL NIL "7BIT" 0 0 ' + NO_EXTENSION + ")",
    ),
    # A multipart that cannot be taken apart is one text.
    (
        "Content-Type: multipart/mixed; boundary=b\n\nno delimiter\n",
        f'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 14 1 {NO_EXTENSION})',
    ),
    (
        "Content-Type: multipart/mixed\n\n--b\n",
        f'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 5 1 {NO_EXTENSION})',
    ),
    # A part without an empty line, a delimiter that only begins like one, white space after one.
    (
        "Content-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: text/html\n--b \n\n--bb\nx\n--b--\t\n--b\n",
        f'(("TEXT" "HTML" ("CHARSET" "us-ascii") NIL NIL "7BIT" 0 0 {NO_EXTENSION})'
        f'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 7 2 {NO_EXTENSION})'
        ' "MIXED" ("BOUNDARY" "b") NIL NIL NIL)',
    ),
    # A message that the next delimiter follows at once: no octets, no lines.
    (
        "Content-Type: multipart/digest; boundary=b\n\n--b\n--b--\n",
        '(("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 0 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) '
        f'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 0 0 {NO_EXTENSION}) 0 {NO_EXTENSION})'
        ' "DIGEST" ("BOUNDARY" "b") NIL NIL NIL)',
    ),
    # Lines of an attachment in a message count, those of an attachment alone do not.
    (
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n\n1\n2\n\n"
        "--b\nContent-Type: message/rfc822\n\nContent-Type: image/png\n\n1\n2\n\n--b--\n",
        f'(("IMAGE" "PNG" NIL NIL NIL "7BIT" 6 {NO_EXTENSION})'
        '("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 33 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) '
        f'("IMAGE" "PNG" NIL NIL NIL "7BIT" 6 {NO_EXTENSION}) 4 {NO_EXTENSION})'
        ' "MIXED" ("BOUNDARY" "b") NIL NIL NIL)',
    ),
    # A digest's parts are messages unless they say otherwise (RFC 2046 §5.1.5).
    (
        "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n\nx\n--b--\n",
        '(("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 15 (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL) '
        f'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 1 1 {NO_EXTENSION}) 3 {NO_EXTENSION})'
        ' "DIGEST" ("BOUNDARY" "b") NIL NIL NIL)',
    ),
    # IMAP4rev1 has no message but RFC822 inside a message.
    (
        "Content-Type: message/global\n\nSubject: s\n\nx\n",
        f'("MESSAGE" "GLOBAL" NIL NIL NIL "7BIT" 17 {NO_EXTENSION})',
    ),
]


@pytest.mark.parametrize(("message", "structure"), STRUCTURES)
def test_body_structure(message: str, structure: str) -> None:
    assert scan(crlf(message)).body_structure == structure.encode()


def test_body_of_a_message_that_is_an_attachment() -> None:
    found = scan(b"Content-Type: message/global\r\n\r\nSubject: s\r\n\r\nx\r\n").body_structure
    assert body_from_structure(found) == b'("MESSAGE" "GLOBAL" NIL NIL NIL "7BIT" 17)'


def test_nested_structure() -> None:
    found = scan(NESTED)
    # "~" stands for what BODY leaves out.
    inner = (
        '(("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 10 2~)'
        '("TEXT" "HTML" ("CHARSET" "us-ascii") NIL NIL "7BIT" 12 1~)'
        ' "ALTERNATIVE" ("BOUNDARY" "inner") NIL NIL NIL)'
    )
    address = '((NIL NIL "a" "example.net"))'
    expected = (
        '(("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "QUOTED-PRINTABLE" 17 1~)'
        '("APPLICATION" "OCTET-STREAM" ("NAME" "data.bin") "<part2@example.com>" "some data" "BASE64" 8 '
        '"Q2hlY2sgSW50ZWdyaXR5IQ==" ("ATTACHMENT" ("FILENAME" "data.bin")) ("en" "de") "http://example.com/data")'
        f'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 201 (NIL "inner" {address} {address} {address}'
        f" NIL NIL NIL NIL NIL) {inner} 15~)"
        '("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 41 (NIL "plain inside" NIL NIL NIL NIL NIL NIL NIL NIL) '
        '("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 16 1~) 3~)'
        ' "MIXED" ("BOUNDARY" "outer") NIL NIL NIL)'
    )
    assert found.body_structure.decode() == expected.replace("~", f" {NO_EXTENSION}")
    plain = expected.replace("~", "")
    for name in ("inner", "outer"):
        plain = plain.replace(f' ("BOUNDARY" "{name}") NIL NIL NIL', "")
    start, end = plain.index(' "Q2hl'), plain.index('/data")') + 6
    assert body_from_structure(found.body_structure).decode() == plain[:start] + plain[end:]


def test_what_else_is_found() -> None:
    found = scan(NESTED)
    assert found.size == len(NESTED)
    assert found.header == NESTED[: found.header_size]
    assert found.header.endswith(b'"outer"\r\n\r\n')
    assert found.message_id == b"<B27397-0100000@example.com>"
    assert found.date == 8803
    assert found.preview == "Café at noon".encode()
    assert found.pure_7bit
    assert not scan(b"\r\n\xe9").pure_7bit
    assert not scan(b"\r\n\0").pure_7bit


def test_bare_line_feeds_are_lines_too() -> None:
    found = scan(NESTED.replace(b"\r\n", b"\n"))
    assert [part.number for part in found.parts] == [part.number for part in scan(NESTED).parts]
    assert found.envelope == scan(NESTED).envelope


FRAGMENTS = [
    *(b"\r\n", b"\n", b"\r", b"--", b"--a", b"--a--", b"--ab", b"\r\n\r\n", b"\r\n--a\r\n", b"\r\n--a--\r\n"),
    *(
        b"\r\n--ab\r\n",
        b"\r\n--ab--\r\n",
        b" ",
        b"\0",
        b"\xff",
        b"hello",
        b"Content-Type: message/rfc822\r\n",
    ),
    *(b"Content-Type: multipart/mixed; boundary=a\r\n", b"Content-Type: multipart/digest; boundary=ab\r\n"),
    *(b"Content-Transfer-Encoding: base64\r\n", b"Content-Type: text/html\r\n", b'From: (c) a:<b@c>, "x\r\n'),
    b"Content-Disposition: attachment; a*0*=b\r\n",
]
OCTETS = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(b"".join),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=20)), max_size=20).map(b"".join),
)


def check_whole(found: Scan, message: bytes) -> None:
    assert found.size == len(message)
    assert isinstance(parse(found.body_structure), list)
    assert isinstance(parse(found.envelope), list)
    assert parse(body_from_structure(found.body_structure)) is not None
    assert len(found.preview.decode()) <= 100
    for part in found.parts:
        assert part.header_start <= part.body_start <= part.text_start <= part.end <= len(message)


@given(message=OCTETS, data=st.data(), step=st.sampled_from([1, 4, 30, 100_000]))
@settings(deadline=None, max_examples=400)
def test_any_octets_in_any_chunking(message: bytes, data: st.DataObject, step: int) -> None:
    whole = scan(message)
    check_whole(whole, message)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(message)), max_size=20)))
    assert scan(message, cuts, step) == whole


@given(message=OCTETS)
@settings(deadline=None, max_examples=200)
def test_byte_by_byte(message: bytes) -> None:
    assert scan(message, list(range(len(message)))) == scan(message)


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in [("MAX_HEADER", 40), ("MAX_HEADERS", 90), ("MAX_PARTS", 6), ("MAX_DEPTH", 4)]:
        monkeypatch.setattr(walk_module, name, value)
    monkeypatch.setattr(delimiters_module, "MAX_LINE", 8)
    monkeypatch.setattr(walk_module, "PREVIEW_OCTETS", 10)
    monkeypatch.setattr(scanner_module, "scan_whole", lambda octets: None)  # it has the limits compiled in


@pytest.mark.usefixtures("small_limits")
def test_limits_do_not_depend_on_chunking() -> None:
    @given(message=OCTETS)
    @settings(deadline=None, max_examples=300)
    def check(message: bytes) -> None:
        whole = scan(message)
        check_whole(whole, message)
        assert scan(message, list(range(len(message)))) == whole

    check()


def test_limits() -> None:
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(300)
    )
    assert max(len(part.number) for part in scan(deep).parts) < walk_module.MAX_DEPTH
    messages = b"Content-Type: message/rfc822\r\n\r\n" * 3000
    assert len(scan(messages).parts) <= walk_module.MAX_DEPTH
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5000 + b"--b--\r\n"
    found = scan(many)
    assert len(found.parts) < walk_module.MAX_PARTS
    assert found.parts[-1].end == len(many) - len(b"\r\n--b--\r\n")
    long = b"Subject: " + b"x" * 2 * walk_module.MAX_HEADER + b"\r\n\r\nbody"
    found = scan(long)
    assert len(found.header) == walk_module.MAX_HEADER
    assert found.header_size == len(long) - 4
    assert len(found.envelope) < 64 * 1024


# Agreement with the standard library on well-formed messages.

LINES = st.lists(st.text("abc .-", max_size=20), max_size=6).map("\n".join)


@st.composite
def well_formed(draw: st.DrawFn, depth: int = 0) -> EmailMessage:
    message = EmailMessage(policy=email.policy.SMTP)
    kind = draw(st.sampled_from(["text", "html", "bytes"] + ["multipart", "message"] * (depth < 3)))
    if kind == "multipart":
        message["Content-Type"] = f"multipart/{draw(st.sampled_from(['mixed', 'alternative', 'related']))}"
        for _ in range(draw(st.integers(1, 3))):
            message.attach(draw(well_formed(depth + 1)))
        message.set_boundary(f"boundary-{depth}-{draw(st.integers(0, 10**6))}")
    elif kind == "message":
        inner = draw(well_formed(depth + 1))
        inner["Subject"] = draw(st.text("xyz", min_size=1, max_size=5))
        message.set_content(inner)
    elif kind == "bytes":
        message.set_content(draw(st.binary(max_size=200)), "application", "octet-stream")
    else:
        subtype = "html" if kind == "html" else "plain"
        message.set_content(
            draw(LINES), subtype, cte=draw(st.sampled_from(["7bit", "quoted-printable", "base64"]))
        )
    return message


def leaves(message: Message, number: tuple[int, ...]) -> list[tuple[tuple[int, ...], Message]]:
    """Parts by IMAP number, as the standard library sees them; multiparts and messages too."""
    if message.get_content_maintype() == "multipart":
        found = [(number, message)] if number else []
        for index, child in enumerate(message.get_payload(), 1):
            found += leaves(child, (*number, index))
        return found
    number = number or (1,)
    if message.get_content_type() == "message/rfc822":
        inner = message.get_payload(0)
        below = leaves(
            inner,
            number if inner.is_multipart() and inner.get_content_maintype() == "multipart" else (*number, 1),
        )
        return [(number, message), *[entry for entry in below if entry[0] != number]]
    return [(number, message)]


@given(message=well_formed())
@settings(deadline=None, max_examples=150)
def test_agrees_with_the_standard_library(message: EmailMessage) -> None:
    octets = message.as_bytes()
    parsed = email.message_from_bytes(octets, policy=email.policy.compat32)
    found = scan(octets)
    expected = leaves(parsed, ())
    assert [part.number for part in found.parts] == [number for number, _ in expected]
    for part, (_, theirs) in zip(found.parts, expected, strict=True):
        assert part.content_type.decode().lower() == theirs.get_content_type()
        assert part.encoding.decode().lower() == theirs.get("Content-Transfer-Encoding", "7bit")
        if not theirs.is_multipart():
            assert octets[part.body_start : part.end].decode() == theirs.get_payload()
