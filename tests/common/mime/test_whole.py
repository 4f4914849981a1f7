"""The compiled scanner beside the Python one: it answers the same, and for all usual messages it does."""

import email.policy
from binascii import b2a_base64
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.messages import message
from services.common.mime import Scan
from services.common.mime.scanner import scan_whole
from services.common.mime.walk import Walk
from tests.common.mime.samples import NESTED, crlf
from tests.common.mime.test_content import PIECES
from tests.common.mime.test_envelope import ADDRESS_PIECES, ADDRESSES, DATES
from tests.common.mime.test_scanner import OCTETS, STRUCTURES, well_formed
from tests.common.mime.test_text import PREVIEWS

pytestmark = pytest.mark.usefixtures("compiled")

USUAL = [message(number, size) for number in range(40) for size in (600, 4096, 60_000)]
SAMPLES = [NESTED, *(crlf(sample) for sample, _ in STRUCTURES + PREVIEWS)]
# What holds messages is the Python scanner's.
LEFT = (b"message/rfc822", b"multipart/digest")


def same(octets: bytes) -> Scan | None:
    """What the compiled scanner answers, which is what the other one finds."""
    found = scan_whole(octets)
    if found is not None:
        expected = Walk().finish(octets)
        assert found == expected
        assert [type(value) for value in found] == [type(value) for value in expected]
        assert {type(part) for part in found.parts} == {type(part) for part in expected.parts}
    return found


def test_every_usual_message_is_answered_for() -> None:
    assert all(same(octets) for octets in USUAL)
    assert all(same(octets.replace(b"\r\n", b"\n")) for octets in USUAL)


@pytest.mark.parametrize("octets", SAMPLES)
def test_samples(octets: bytes) -> None:
    assert (same(octets) is None) == any(kind in octets for kind in LEFT)


def nested(depth: int) -> bytes:
    return b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(depth))


LIMITS = [
    (b"\n" + b"x" * (64 * 1024 - 1), b"\n" + b"x" * 64 * 1024),
    (b"Subject: " + b"x" * 16_000, b"Subject: " + b"x" * 17_000),
    (b"Message-ID: " + b"x" * 900, b"Message-ID: " + b"x" * 1000),
    (nested(20), nested(21)),
    (nested(1) + b"--0\n" * 90, nested(1) + b"--0\n" * 100),
]


@pytest.mark.parametrize(("within", "beyond"), LIMITS)
def test_limits(within: bytes, beyond: bytes) -> None:
    assert same(within) is not None
    assert same(beyond) is None


ATTACHED = crlf("""\
From: =?utf-8?q?J=C3=B6rg?= <joerg@example.com>, "Ann, A." <ann@example.com>
To: a@x, b@y (comment), Group: c@z;
Content-Type: multipart/mixed; boundary="outer"

--outer
Content-Type: multipart/alternative;
\tboundary="in ner"; charset=utf-8

--in ner
Content-Type: text/plain; format=flowed

text
--in ner
Content-Type: text/html; charset="iso-8859-1"
Content-Transfer-Encoding: quoted-printable

<p>t=E9xt
--in ner--
--outer
Content-Type: application/pdf; name="a file.pdf"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="a file.pdf"; size=3
Content-ID: <1@example.com>
Content-Description: a file

AAAA
--outer
Content-Type: image/png; name*=utf-8''%C3%A9.png
Content-Disposition: inline; filename*0="a"; filename*1="b"

AAAA
--outer--
""")


def test_attachments() -> None:
    found = same(ATTACHED)
    assert found is not None
    assert [part.number for part in found.parts] == [(1,), (1, 1), (1, 2), (2,), (3,)]
    assert found.preview == b"text"


_DATES = b"Mon, Mon 1 01 28 29 30 31 32 00 Jan Feb feb Dec Foo 2024 2023 1900 2000 0000 24 00:21:00 (c)"


@given(
    st.lists(st.sampled_from([*_DATES.split(), b" ", b"\t", b"\r\n "]), max_size=8),
    st.sampled_from([b" ", b""]),
)
@settings(deadline=None, max_examples=500)
def test_dates(pieces: list[bytes], between: bytes) -> None:
    assert same(b"Date: " + between.join(pieces) + b"\r\n\r\n") is not None


@given(st.integers(0, 33), st.sampled_from(_DATES.split()[10:15]), st.integers(0, 9999))
@settings(deadline=None, max_examples=300)
def test_days(day: int, month: bytes, year: int) -> None:
    assert same(b"Date: Mon, %d %b %04d 00:21:00 +0000\r\n\r\n" % (day, month, year)) is not None


@given(OCTETS)
@settings(deadline=None, max_examples=400)
def test_any_octets(octets: bytes) -> None:
    same(octets)


@given(well_formed())
@settings(deadline=None, max_examples=150)
def test_well_formed_messages(found: EmailMessage) -> None:
    octets = found.as_bytes(policy=email.policy.SMTP)
    assert same(octets) is not None or any(kind in octets for kind in LEFT)


REAL = [*USUAL[:40:4], ATTACHED, *SAMPLES]
SPOILS = [
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"--", b"\r\n--outer", b"\r\n ", b"\0", b"\xe9", b'"', b"\\", b";"),
    *(b"(", b"<", b",", b":", b"=", b"Content-Type: ", b"multipart/", b"boundary=", b"charset="),
]


@given(st.data())
@settings(deadline=None, max_examples=600)
def test_spoiled_messages(data: st.DataObject) -> None:
    octets = data.draw(st.sampled_from(REAL))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(octets)))
        end = start + data.draw(st.sampled_from([0, 0, 1, 2, 40]))
        put = data.draw(st.one_of(st.sampled_from(SPOILS), st.binary(max_size=4)))
        octets = octets[:start] + put + octets[end:]
    same(octets)


QUOTED = [
    *(b"=", b"=3D", b"=3d", b"=20", b"=00", b"=C3=A9", b"=E2=80=8B", b"=\r\n", b"=\n", b"=\r", b"= \r\n"),
    *(b"=4", b"=4=", b"=g1", b"\r\n", b"\t", b" ", b"word", b"words, and words ", b"_", b"\x7f", b"\xe9"),
]
BASE64 = [
    *(b2a_base64(word) for word in (b"word ", b"more words", b"\r\n", b"\0")),
    b"=",
    b"-",
    b" ",
    b"AAA",
    b"\n",
]
TEXTS = {b"quoted-printable": QUOTED, b"base64": BASE64}


@given(st.data(), st.sampled_from(b"utf-8 US-ASCII iso-8859-1 windows-1252 utf-7 cp037 gb2312 x".split()))
@settings(deadline=None, max_examples=1000)
def test_any_text(data: st.DataObject, charset: bytes) -> None:
    encoding = data.draw(st.sampled_from([*TEXTS]))
    usual = b"words and words " * data.draw(st.integers(0, 15))
    text = b2a_base64(usual) if encoding == b"base64" else usual
    text += b"".join(data.draw(st.lists(st.sampled_from(TEXTS[encoding]), max_size=90)))
    fields = b"Content-Type: text/plain; charset=%b\r\nContent-Transfer-Encoding: %b\r\n" % (
        charset,
        encoding,
    )
    assert same(fields + b"\r\n" + text) is not None


NAMES = b"From To CC bcc Sender Reply-To Date Subject Message-ID In-Reply-To X-Other Contents".split()
_CONTENT = b"Type ID Description MD5 Disposition Language Location Transfer-Encoding"
NAMES += [b"Content-" + name for name in _CONTENT.split()]
VALUES = [
    *(value for value, _ in ADDRESSES),
    *(value for value, _ in DATES if value),
    *(b"7bit", b"Base64 ", b"attachment", b"(c) inline", b"en, de", b"<1@x>\r\n <2@x>"),
]
FIELDS = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from([b":", b": ", b" :\t"]),
    st.one_of(
        st.sampled_from(VALUES),
        st.lists(st.sampled_from(PIECES), max_size=10).map(b"".join),
        st.lists(st.sampled_from(ADDRESS_PIECES), max_size=10).map(b"".join),
    ),
    st.sampled_from([b"\r\n", b"\r\n", b"\n", b""]),
)


@given(st.lists(FIELDS.map(b"".join), max_size=6), st.sampled_from([b"\r\n", b"\n", b""]))
@settings(deadline=None, max_examples=1000)
def test_any_header(fields: list[bytes], end: bytes) -> None:
    same(b"".join(fields) + end + b"hello")
