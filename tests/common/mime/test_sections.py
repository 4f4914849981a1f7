"""Sections of FETCH as ranges of octets (RFC 9051 §6.4.5.1)."""

import pytest

from services.common.mime import Section, section_range
from tests.common.mime.samples import NESTED, crlf, scan

pytestmark = pytest.mark.usefixtures("either_scanner")

WHOLE, HEADER, TEXT, MIME = Section.WHOLE, Section.HEADER, Section.TEXT, Section.MIME

SECTIONS = [
    ((1,), WHOLE, "Caf=C3=A9 at noon"),
    ((1,), MIME, "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"),
    ((2,), WHOLE, "AAECAw=="),
    ((3,), MIME, "Content-Type: message/rfc822\n\n"),
    (
        (3,),
        HEADER,
        "Subject: inner\nFrom: a@example.net\nContent-Type: multipart/alternative; boundary=inner\n\n",
    ),
    ((3, 1), WHOLE, "one\ntwo\n"),
    ((3, 1), MIME, "\n"),
    ((3, 2), WHOLE, "<b>three</b>"),
    ((4,), WHOLE, "Subject: plain inside\n\nbody of the last"),
    ((4,), HEADER, "Subject: plain inside\n\n"),
    ((4,), TEXT, "body of the last"),
    ((4, 1), WHOLE, "body of the last"),
    ((4, 1), MIME, "Subject: plain inside\n\n"),
    ((1,), HEADER, None),
    ((1,), TEXT, None),
    ((3, 3), WHOLE, None),
    ((5,), WHOLE, None),
    ((0,), WHOLE, None),
    ((), MIME, None),
]


@pytest.mark.parametrize(("number", "kind", "expected"), SECTIONS)
def test_section(number: tuple[int, ...], kind: Section, expected: str | None) -> None:
    found = section_range(scan(NESTED), number, kind)
    assert (None if found is None else NESTED[slice(*found)]) == (
        None if expected is None else crlf(expected)
    )


def test_sections_of_the_message() -> None:
    found = scan(NESTED)
    header, text = section_range(found, (), HEADER), section_range(found, (), TEXT)
    assert header is not None
    assert text is not None
    assert NESTED[slice(*header)] == found.header
    assert NESTED[slice(*text)].startswith(b"preamble\r\n--outer")
    assert section_range(found, (), WHOLE) == (0, len(NESTED))
    assert section_range(found, (), Section.HEADER_FIELDS) == header


def test_part_one_of_a_single_part_message_is_its_body() -> None:
    message = b"Subject: x\r\n\r\nbody\r\n"
    assert section_range(scan(message), (1,), WHOLE) == (14, 20)
    assert section_range(scan(message), (1,), MIME) == (0, 14)
    assert section_range(scan(message), (1, 1), WHOLE) is None
