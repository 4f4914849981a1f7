"""The words of IMAP commands, and mailbox names on the wire."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import SyntaxFault
from services.imap.protocol import flags, mutf7
from services.imap.protocol.lexer import Lexer

STRINGS = [
    (b"abc", b"abc"),
    (b"a]b", b"a]b"),
    (b'"a b"', b"a b"),
    (b'""', b""),
    (rb'"a\"b\\c"', rb'a"b\c'),
    (rb'"a\b"', b"ab"),  # no RFC allows it; passwords come so
    (b"{3}\r\nabc", b"abc"),
    (b"{3+}\r\na\r\n", b"a\r\n"),
    (b"{0}\r\n", b""),
    ("grün".encode(), "grün".encode()),
]


@pytest.mark.parametrize(("data", "expected"), STRINGS)
def test_astring(data: bytes, expected: bytes) -> None:
    lex = Lexer(data)
    assert lex.astring() == expected
    lex.end()


@pytest.mark.parametrize(
    "data",
    [b"", b" ", b"(", b'"a', b'"a\r\n"', b"{4}\r\nabc", b"{}\r\n", b"{1}a", b"a*b", b"{2}\r\na\0", b"%"],
)
def test_no_astring(data: bytes) -> None:
    lex = Lexer(data)
    with pytest.raises(SyntaxFault):  # noqa: PT012 - either the string or what is left of it
        lex.astring()
        lex.end()


def test_nstring() -> None:
    assert Lexer(b"nil").nstring() is None
    assert Lexer(b'"nil"').nstring() == b"nil"
    with pytest.raises(SyntaxFault):
        Lexer(b"abc").nstring()


def test_list_mailbox_takes_wildcards() -> None:
    assert Lexer(b"a/%*]").list_mailbox() == b"a/%*]"
    assert Lexer(b'"a b%"').list_mailbox() == b"a b%"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"inbox", "INBOX"),
        (b"iNBOX/a", "INBOX/a"),
        (b"inboxes", "inboxes"),
        (b'"Sent Mail"', "Sent Mail"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"A&-B", "A&B"),
        ("Entwürfe".encode(), "Entwürfe"),
        ("Entwu\u0308rfe".encode(), "Entwürfe"),  # NFC
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),  # RFC 3501 §5.1.3
    ],
)
def test_mailbox(data: bytes, name: str) -> None:
    assert Lexer(data).mailbox() == name


@pytest.mark.parametrize(
    "name", [b"a&b", b"&AGE-", b"&AOQ", b"&2D0-", b"&AOQ-&AOQ-", b"&A-", b"\xff", b"&AO*-"]
)
def test_names_that_encoding_does_not_make(name: bytes) -> None:
    with pytest.raises(SyntaxFault):
        mutf7.decode(name)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_mutf7_gives_back_what_it_got(name: str) -> None:
    wire = mutf7.encode(name)
    assert all(0x20 <= octet <= 0x7E for octet in wire)
    assert mutf7.decode(wire) == unicodedata.normalize("NFC", name)


def test_numbers() -> None:
    assert Lexer(b"4294967295").number() == 2**32 - 1
    assert Lexer(b"9223372036854775807").mod_sequence() == 2**63 - 1
    for wrong in (b"4294967296", b"-1", b"", b"x"):
        with pytest.raises(SyntaxFault):
            Lexer(wrong).number()
    with pytest.raises(SyntaxFault):
        Lexer(b"9223372036854775808").mod_sequence()
    with pytest.raises(SyntaxFault):
        Lexer(b"0").nz_number()


@pytest.mark.parametrize(
    ("data", "days"),
    [(b"1-Jan-1970", 0), (b'"01-jan-1970"', 0), (b"29-Feb-2024", 19782), (b"31-DEC-1969", -1)],
)
def test_date(data: bytes, days: int) -> None:
    assert Lexer(data).date() == days


@pytest.mark.parametrize("data", [b"30-Feb-2024", b"1-Foo-2024", b"1-Jan-24", b"0-Jan-2024", b'"1-Jan-2024'])
def test_no_date(data: bytes) -> None:
    with pytest.raises(SyntaxFault):
        Lexer(data).date()


@pytest.mark.parametrize(
    ("data", "seconds", "zone"),
    [
        (b'"01-Jan-1970 00:00:00 +0000"', 0, 0),
        (b'" 1-Jan-1970 00:00:00 +0100"', -3600, 60),
        (b'"17-Jul-1996 02:44:25 -0730"', 837596665 + 1800, -450),
    ],
)
def test_date_time(data: bytes, seconds: int, zone: int) -> None:
    coded = Lexer(data).date_time()
    assert coded >> 16 == seconds
    assert ((coded & 0xFFFF) ^ 0x8000) - 0x8000 == zone


@pytest.mark.parametrize(
    "data",
    [
        b'"01-Jan-1970 24:00:00 +0000"',
        b'"01-Jan-1970 00:60:00 +0000"',
        b'"01-Jan-1970 00:00:00 +2400"',
        b'"01-Jan-1970 00:00:00"',
        b"01-Jan-1970 00:00:00 +0000",
    ],
)
def test_no_date_time(data: bytes) -> None:
    with pytest.raises(SyntaxFault):
        Lexer(data).date_time()


def test_flags() -> None:
    assert Lexer(b"(\\SEEN $Junk \\deleted)").flag_list() == [b"\\Seen", b"$Junk", b"\\Deleted"]
    assert Lexer(b"()").flag_list() == []
    assert flags.split([b"\\Seen", b"a", b"\\Draft", b"a"]) == (flags.SEEN | flags.DRAFT, ["a"])
    assert flags.render(1 | 1 << 17, (b"x", b"y"), True) == b"\\Seen y \\Recent"
    with pytest.raises(SyntaxFault):
        flags.split([b"\\Recent"])
    for wrong in (b"(\\Seen", b"(a  b)", b"\\Seen", b"(\\)"):
        with pytest.raises(SyntaxFault):
            Lexer(wrong).flag_list()


@given(st.binary(max_size=60))
def test_any_octets_are_parsed_or_refused(data: bytes) -> None:
    for method in ("astring", "nstring", "list_mailbox", "mailbox", "date", "date_time", "flag_list", "word"):
        lex = Lexer(data)
        try:
            getattr(lex, method)()
        except SyntaxFault:
            continue
        assert 0 <= lex.position <= len(data)
