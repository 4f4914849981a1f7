"""ENVELOPE: address lists as people write them, strings, defaults, the sent date."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.mime import envelope as envelope_module
from services.common.mime import nstring, parse
from services.common.mime.address import MAX_ADDRESSES, address_list, parse_addresses
from services.common.mime.envelope import sent_date
from tests.common.mime.samples import crlf, scan

pytestmark = pytest.mark.usefixtures("either_scanner")

ADDRESSES = [
    (b"a@example.com", b'((NIL NIL "a" "example.com"))'),
    (b"Ann Example <ann@example.com>", b'(("Ann Example" NIL "ann" "example.com"))'),
    (b'"Example, Ann" <ann@example.com>', b'(("Example, Ann" NIL "ann" "example.com"))'),
    (b'"Ann \\"A\\" E" <ann@example.com>', b'(("Ann \\"A\\" E" NIL "ann" "example.com"))'),
    (b"=?utf-8?q?J=C3=B6rg?= <j@example.com>", b'(("=?utf-8?q?J=C3=B6rg?=" NIL "j" "example.com"))'),
    ("Jörg <j@example.com>".encode(), '(({5}\r\nJörg NIL "j" "example.com"))'.encode()),
    (b'"john doe"@example.com', b'((NIL NIL "john doe" "example.com"))'),
    (b"a@example.com (Ann (A) Example)", b'(("Ann (A) Example" NIL "a" "example.com"))'),
    (b"Ann (comment) <a@example.com>", b'(("Ann" NIL "a" "example.com"))'),
    (b"a@b (Joe\r\n Doe)", b'(("Joe Doe" NIL "a" "b"))'),
    (b'"Joe\r\n Doe" <a@[1.2.\n 3.4]>', b'(("Joe Doe" NIL "a" "[1.2. 3.4]"))'),
    (b'<c@d> ",", <e@f>', b'((NIL NIL "c" "d")(NIL NIL "e" "f"))'),
    (b"a\\b]c)d <a@b>", b'(("a\\\\b]c)d" NIL "a" "b"))'),
    (b"a@[192.0.2.1]", b'((NIL NIL "a" "[192.0.2.1]"))'),
    (b"<@one.example,@two.example:a@example.com>", b'((NIL "@one.example,@two.example" "a" "example.com"))'),
    (
        b"a@example.com, Bob <b@example.com>,c",
        b'((NIL NIL "a" "example.com")("Bob" NIL "b" "example.com")(NIL NIL "c" ""))',
    ),
    (b"a@x,\r\n b@y", b'((NIL NIL "a" "x")(NIL NIL "b" "y"))'),
    (b"A Group:a@x, b@y;", b'((NIL NIL "A Group" NIL)(NIL NIL "a" "x")(NIL NIL "b" "y")(NIL NIL NIL NIL))'),
    (b"undisclosed-recipients:;", b'((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))'),
    (b"Open: a@x", b'((NIL NIL "Open" NIL)(NIL NIL "a" "x")(NIL NIL NIL NIL))'),
    (b"Ann.A. Example<a@x>", b'(("Ann.A. Example" NIL "a" "x"))'),
    (b"a@b@c", b'((NIL NIL "a@b" "c"))'),
    (b"<>", b"NIL"),
    (b" \r\n ", b"NIL"),
    (b",,;", b"NIL"),
    (b'"never closed <a@x>', b'((NIL NIL "never closed <a@x>" ""))'),
]


@pytest.mark.parametrize(("field", "wire"), ADDRESSES)
def test_addresses(field: bytes, wire: bytes) -> None:
    assert address_list(field) == wire


@given(st.one_of(st.binary(max_size=60), st.text('ab@<>(),:;"\\[] ', max_size=40).map(str.encode)))
def test_any_field_gives_a_list_of_addresses(field: bytes) -> None:
    value = parse(address_list(field))
    for address in value if isinstance(value, list) else []:
        assert isinstance(address, list)
        assert len(address) == 4


ADDRESS_PIECES = [
    *(b"a@b", b"<a.b@c.example>", b"Ann Example", b'"Ann, A."', b'""', b'"', b"\\", b"=?utf-8?q?=C3=A9?="),
    *(b",", b" ", b"  ", b"\r\n ", b"\n", b"(c)", b"<", b">", b"@", b":", b";", b"[1]", b"\xe9", b"\0"),
]


@given(st.lists(st.sampled_from(ADDRESS_PIECES), max_size=12).map(b"".join))
def test_simple_addresses_are_what_the_parser_makes_of_them(field: bytes) -> None:
    wires = [b"(%b)" % b" ".join(map(nstring, address)) for address in parse_addresses(field)]
    assert address_list(field) == (b"(%b)" % b"".join(wires) if wires else b"NIL")


def test_addresses_are_bounded() -> None:
    assert address_list(b"a@b," * 5000).count(b"(") <= MAX_ADDRESSES + 2


def test_envelope() -> None:
    message = crlf(
        "Date: Fri, 21 Nov 1997 09:55:06 -0600\nFrom: a@x\nSender: s@x\nTo: t@x\nCc: c@x\nBcc: b@x\n"
        'Subject: a "b"\n \\c\nIn-Reply-To: <1@x>\nMessage-ID: <2@x>\nSubject: second\n\n'
    )
    sender = '((NIL NIL "a" "x"))'
    assert scan(message).envelope.decode() == (
        f'("Fri, 21 Nov 1997 09:55:06 -0600" "a \\"b\\" \\\\c" {sender} ((NIL NIL "s" "x")) {sender} '
        '((NIL NIL "t" "x")) ((NIL NIL "c" "x")) ((NIL NIL "b" "x")) "<1@x>" "<2@x>")'
    )


def test_absent_and_empty() -> None:
    assert scan(b"").envelope == b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
    assert scan(b"Subject:\r\nFrom:\r\nDate: \r\n\r\n").envelope == b'("" "" NIL NIL NIL NIL NIL NIL NIL NIL)'


def test_odd_octets_in_strings() -> None:
    assert scan(b"Subject: a\0b\r\n\r\n").envelope.startswith(b'(NIL "ab" ')
    assert scan(b"Subject: a\rb\r\n\r\n").envelope.startswith(b"(NIL {3}\r\na\rb ")
    assert scan("Subject: é\r\n\r\n".encode()).envelope.startswith("(NIL {2}\r\né ".encode())


DATES = [
    (b"Fri, 21 Nov 1997 23:55:06 -0600", 10186),
    (b"1 Jan 1970 00:00:00 +1400", 0),
    (b"31 Dec 69 00:00 GMT", -1),
    (b"Mon, 1 Jan 01 10:00 EST", 11323),
    (b"Thu, 13\r\n Feb (comment) 2020 10:00:00 +0000", None),
    (b"Thu,\r\n 13 Feb 2020 10:00:00 +0000", 18305),
    (b"31 Feb 2020 10:00:00 +0000", None),
    (b"2020-02-13", None),
    (b"28 01  2000 29 Dec 30", 22277),
    (b"", None),
    (None, None),
]


@pytest.mark.parametrize(("field", "day"), DATES)
def test_sent_date(field: bytes | None, day: int | None) -> None:
    assert sent_date(field) == day


def test_usual_dates_are_what_the_search_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = envelope_module._USUAL_DATE
    pieces = [b" ", b"\r\n ", b"Mon", b",", b"1", b"31", b"Jan", b"feb", b"Sept", b"24", b"2024", b"-", b"x"]

    @given(st.lists(st.sampled_from(pieces), max_size=10).map(b"".join))
    def check(field: bytes) -> None:
        found = sent_date(field)
        monkeypatch.setattr(envelope_module, "_USUAL_DATE", lambda value: None)
        searched = sent_date(field)
        monkeypatch.setattr(envelope_module, "_USUAL_DATE", usual)
        assert found == searched

    check()
