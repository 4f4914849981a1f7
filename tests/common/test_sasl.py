"""SASL exchanges as they stand in RFC 4616 §4 and the LOGIN draft, and what is refused."""

import base64

import pytest

from services.common.errors import SyntaxFault
from services.common.protocol.sasl import (
    MAX_FIELD,
    MAX_RESPONSE_LINE,
    Challenge,
    Credentials,
    decode,
    decode_initial,
    mechanism,
)


def test_plain() -> None:
    plain = mechanism(b"plain")
    assert plain is not None
    assert plain.start(None) == Challenge(b"")
    assert plain.respond(b"\0tim\0tanstaaftanstaaf") == Credentials("tim", b"tanstaaftanstaaf")
    assert plain.start(b"Ursel\0Kurt\0xipj3plmq") == Credentials("Kurt", b"xipj3plmq", "Ursel")
    assert plain.start("\0jö\0ü".encode()) == Credentials("jö", "ü".encode())


def test_login() -> None:
    login = mechanism(b"LOGIN")
    assert login is not None
    challenge = login.start(None)
    assert isinstance(challenge, Challenge)
    assert challenge.encoded == b"VXNlcm5hbWU6"
    assert login.respond(b"tim") == Challenge(b"Password:")
    assert login.respond(b"secret") == Credentials("tim", b"secret")


def test_login_with_an_initial_response() -> None:
    login = mechanism(b"LOGIN")
    assert login is not None
    assert login.start(b"tim") == Challenge(b"Password:")


def test_each_exchange_has_a_state_of_its_own() -> None:
    one, two = mechanism(b"LOGIN"), mechanism(b"LOGIN")
    assert one is not None
    assert two is not None
    one.start(b"tim")
    assert two.start(b"tom") == Challenge(b"Password:")


def test_unknown_mechanism() -> None:
    assert mechanism(b"CRAM-MD5") is None


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"tim\0secret",
        b"\0\0secret",
        b"\0tim\0",
        b"\0tim\0secret\0",
        b"\0\xff\0secret",
        b"\0" + b"x" * (MAX_FIELD + 1) + b"\0secret",
        b"\0tim\0" + b"x" * (MAX_FIELD + 1),
    ],
)
def test_malformed_plain(response: bytes) -> None:
    plain = mechanism(b"PLAIN")
    assert plain is not None
    with pytest.raises(SyntaxFault):
        plain.respond(response)


@pytest.mark.parametrize(
    "line", [b"*", b"a", b"AB==", b"QUI=QUI=", b"QU I=", b"QUI", b"\xff", b"QUJD====", b"Q_I="]
)
def test_not_base64(line: bytes) -> None:
    with pytest.raises(SyntaxFault):
        decode(line)


def test_base64() -> None:
    assert decode(b"") == b""
    assert decode_initial(b"=") == b""
    assert decode(base64.b64encode(b"\0tim\0x")) == b"\0tim\0x"
    longest = base64.b64encode(b"x" * (MAX_RESPONSE_LINE // 4 * 3 - 3))
    assert decode(longest)
    with pytest.raises(SyntaxFault):
        decode(longest + b"AAAA")


def test_a_password_does_not_show() -> None:
    assert "secret" not in repr(Credentials("tim", b"secret"))
