"""Octets made to cost much: nothing raises, work is counted, and what is kept has an end."""

import base64
import sys
from collections.abc import Callable
from types import FrameType

import pytest

from services.common.mime import TextDecoder, decoded_text, parse, scan_message
from services.common.mime import address as address_module
from services.common.mime import text as text_module
from services.common.mime.address import MAX_FIELD, MAX_TOKENS, address_list
from services.common.mime.walk import Walk
from tests.common.mime.samples import scan

pytestmark = pytest.mark.usefixtures("either_scanner")


def calls(work: Callable[[], object]) -> int:
    """How many calls of Python's and of C's functions it makes."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


# Numbers of more digits than Python reads.

DIGITS = [(b"1" * 5000, "hi \ufffd !"), (b"0" * 5000 + b"65", "hi A !")]


@pytest.mark.parametrize(("digits", "shown"), DIGITS)
@pytest.mark.parametrize("encoding", [b"7bit", b"quoted-printable", b"base64"])
def test_a_long_character_reference(digits: bytes, shown: str, encoding: bytes) -> None:
    text = b"<p>hi &#" + digits + b"; !</p>"
    if encoding == b"base64":
        text = base64.encodebytes(text)
    fields = b"Content-Type: text/html\r\nContent-Transfer-Encoding: " + encoding
    message = fields + b"\r\n\r\n" + text
    assert scan(message).preview.decode() == shown
    assert scan(message, list(range(0, len(message), 100))).preview.decode() == shown


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ("&#65", "A"),
        ("&#065;", "A"),
        ("&#000000000065;", "A"),
        ("&#1234567890;", "\ufffd"),
        ("&#0000000000", "\ufffd"),
    ],
)
def test_character_references(reference: str, shown: str) -> None:
    assert text_module._characters(reference) == shown


def test_a_long_number_in_the_wire_form() -> None:
    assert isinstance(parse(b"(" + b"1" * 5000 + b")"), list)
    assert parse(b"({" + b"1" * 5000 + b"}\r\n)") == []


# Entities in entities.

MESSAGES = b"Content-Type: message/rfc822\n\n" * 90
SAME = b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 90
APART = b"".join(
    b"Content-Type: multipart/mixed; boundary=%c%d\n\n--%c%d\n" % (b"ab"[n % 2], n, b"ab"[n % 2], n)
    for n in range(90)
)
TWO = b"".join(b"Content-Type: multipart/mixed; boundary=%c\n\n--%c\n" % (c, c) for c in b"ab")
FULL = b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n" * 1000


@pytest.mark.parametrize(
    "beginning", [TWO + MESSAGES, SAME, APART, FULL], ids=["messages", "same", "apart", "full"]
)
@pytest.mark.parametrize("line", [b"--\n", b"--ax\n", b"--a\n", b"\n--a", b"--b \n\n"])
@pytest.mark.parametrize("step", [1 << 20, 10_000])
def test_no_line_is_looked_at_once_a_level(beginning: bytes, line: bytes, step: int) -> None:
    message = beginning + b"\n" + line * 10_000

    def work() -> None:
        walk = Walk()
        for start in range(0, len(message), step):
            walk.feed(message[start : start + step])
        walk.finish(b"")

    # Of 10,000 lines, 1,000 parts may be made; each other line costs one call or two.
    assert calls(work) < 150_000


def test_no_empty_line_is_looked_for_once_a_part() -> None:
    message = FULL[: len(FULL) // 2] + b"a: b\n" * 100_000
    looked_at = 0
    find = Walk.__init__.__globals__["_HEADER_END"]

    def counted(data: bytes, start: int) -> object:
        nonlocal looked_at
        match = find(data, start)
        looked_at += (match.end() if match else len(data)) - start
        return match

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.common.mime.walk._HEADER_END", counted)
        Walk().finish(message)
    assert looked_at < 2 * len(message)


# Values of header fields.


@pytest.mark.parametrize("pieces", [b".\\", b"<", b",", b"@", b"(a)", b"()", b'""', b"a:;", b'"a\\"" <b@c>,'])
def test_the_tokens_of_a_field_are_bounded(pieces: bytes) -> None:
    assert calls(lambda: address_list(pieces * (MAX_FIELD // len(pieces)))) < 20 * MAX_TOKENS
    assert len(address_module._tokens(pieces * MAX_FIELD)) <= MAX_TOKENS


def test_hundreds_of_unusual_addresses_are_all_there() -> None:
    unusual = [b'"A%d, \\"B\\"" <a%d@example.com>' % (n, n) for n in range(500)]
    field = b",\r\n ".join(unusual)
    listed = parse(address_list(field))
    assert isinstance(listed, list)
    assert [address[2] for address in listed if isinstance(address, list)] == [b"a%d" % n for n in range(500)]


@pytest.mark.parametrize("name", [b"ID", b"Description", b"MD5", b"Location"])
def test_content_fields_are_cut(name: bytes) -> None:
    message = b"Content-%b: " % name + b"x" * 3 * MAX_FIELD + b"\r\n\r\n"
    assert len(scan_message(message).body_structure) < MAX_FIELD + 200


# UTF-7, where a run of any length is one unit to Python.

LONG = "日" + "\U0001f600" * 9000  # pairs of units, at odd places


@pytest.mark.parametrize("size", [7, 1000, 5000, 100_000])
@pytest.mark.parametrize("digits_end", [b"-", b""])
def test_a_long_run_of_utf7(size: int, digits_end: bytes) -> None:
    octets = b"+" + base64.b64encode(LONG.encode("utf-16-be")).rstrip(b"=") + digits_end
    decoder = TextDecoder(b"7BIT", b"utf-7")
    texts = []
    for start in range(0, len(octets), size):
        texts.append(decoder.feed(octets[start : start + size]))
        assert len(decoder._decoder.getstate()[0]) <= text_module._MAX_RUN
    texts.append(decoder.finish())
    assert "".join(texts).startswith(LONG) == decoded_text(octets, b"7BIT", b"utf-7").startswith(LONG)
