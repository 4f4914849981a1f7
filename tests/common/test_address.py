"""SMTP paths and mailboxes: what they mean, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import SyntaxFault
from services.common.protocol.address import Mailbox, normalise, parse_mailbox, parse_path


@pytest.mark.parametrize(
    ("text", "address", "rest"),
    [
        (b"<u1@example.test>", "u1@example.test", b""),
        (b"<U1+tag@EXAMPLE.Test> SIZE=3", "u1+tag@example.test", b" SIZE=3"),
        (b"<a!#$%&'*+-/=?^_`{|}~b@example.test>", "a!#$%&'*+-/=?^_`{|}~b@example.test", b""),
        (b'<"u1"@example.test>', "u1@example.test", b""),
        (b'<"a b"@example.test>', '"a b"@example.test', b""),
        (b'<"a\\"b\\\\c@d>"@example.test>', '"a\\"b\\\\c@d>"@example.test', b""),
        (b"<@relay.test,@other.test:u1@example.test>x", "u1@example.test", b"x"),
        (b"<u1@[192.0.2.1]>", "u1@[192.0.2.1]", b""),
        (b"<u1@[IPv6:2001:DB8::1]>", "u1@[IPv6:2001:db8::1]", b""),
        (b"<u1@[x-tag:data]>", "u1@[x-tag:data]", b""),
        (b"<Postmaster>", "postmaster", b""),
        ("<jö@bücher.example>".encode(), "jö@xn--bcher-kva.example", b""),
        (b"<u1@xn--bcher-kva.example>", "u1@xn--bcher-kva.example", b""),
        (b"<u1@localhost>", "u1@localhost", b""),
        (b"<" + b"a" * 64 + b"@example.test>", "a" * 64 + "@example.test", b""),
    ],
)
def test_paths(text: bytes, address: str, rest: bytes) -> None:
    mailbox, behind = parse_path(text)
    assert mailbox is not None
    assert (mailbox.address, behind) == (address, rest)


def test_the_null_path() -> None:
    assert parse_path(b"<> BODY=8BITMIME") == (None, b" BODY=8BITMIME")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"u1@example.test",
        b"<u1@example.test",
        b"<u1>",
        b"<@example.test>",
        b"<u1@>",
        b"< u1@example.test>",
        b"<u1 @example.test>",
        b"<u1@example.test >",
        b"<u1@example..test>",
        b"<u1@example.test.>",
        b"<u1@-example.test>",
        b"<u1@exam_ple.test>",
        b"<.u1@example.test>",
        b"<u..1@example.test>",
        b"<u1.@example.test>",
        b'<""@example.test>',
        b'<"u1@example.test>',
        b'<"u"1@example.test>',
        b"<u1@[192.0.2]>",
        b"<u1@[192.0.2.1>",
        b"<u1@[IPv6:zz]>",
        b"<u1@[]>",
        b"<u1\x00@example.test>",
        b"<u1\r\n@example.test>",
        b"<u\xff@example.test>",
        b"<" + b"a" * 65 + b"@example.test>",
        b"<u1@" + b"a" * 64 + b".test>",
        b"<u1@" + b"a.b." * 70 + b"test>",
        b"<@relay.test u1@example.test>",
    ],
)
def test_no_paths(text: bytes) -> None:
    with pytest.raises(SyntaxFault):
        parse_path(text)


def test_case_of_the_local_part_is_kept_for_envelopes() -> None:
    assert parse_mailbox(b"U.One@Example.TEST").path == "U.One@example.test"


def test_smtputf8() -> None:
    assert parse_mailbox("jö@example.test".encode()).needs_smtputf8
    assert not parse_mailbox("u1@bücher.example".encode()).needs_smtputf8


def test_normalise() -> None:
    assert normalise('"U1"@EXAMPLE.test') == "u1@example.test"
    for text in ("postmaster", "u1", "u1@a@b", "<u1@example.test>", ""):
        with pytest.raises(SyntaxFault):
            normalise(text)


@given(st.text(min_size=1, max_size=16, alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_any_local_part_survives(local_part: str) -> None:
    written = Mailbox(local_part, "example.test").path
    parsed, rest = parse_path(f"<{written}> X".encode())
    assert parsed == Mailbox(local_part, "example.test")
    assert rest == b" X"


@given(st.binary(max_size=40))
def test_any_octets(data: bytes) -> None:
    try:
        mailbox, rest = parse_path(b"<" + data)
    except SyntaxFault:
        return
    assert data.endswith(rest)
    assert mailbox is None or parse_mailbox(mailbox.path.encode()) == mailbox or not mailbox.domain
