"""Tables: what every POP3 command line is read as, and what is refused."""

import pytest

from services.common.errors import SyntaxFault
from services.pop3.protocol import commands as c
from services.pop3.protocol.state import TRANSITIONS, State, Step

ACCEPTED = [
    (b"USER fred", State.AUTHORIZATION, c.User(b"fred")),
    (b"user  fred@example.test ", State.USER_GIVEN, c.User(b"fred@example.test")),
    (b"PASS secret", State.USER_GIVEN, c.Pass(b"secret")),
    (b"PASS  two  spaces ", State.USER_GIVEN, c.Pass(b" two  spaces ")),
    (b"PASS \xc3\xa9", State.USER_GIVEN, c.Pass(b"\xc3\xa9")),
    (b"AUTH plain", State.AUTHORIZATION, c.Auth(b"PLAIN")),
    (b"AUTH PLAIN AGEAYg==", State.AUTHORIZATION, c.Auth(b"PLAIN", b"AGEAYg==")),
    (b"AUTH PLAIN =", State.USER_GIVEN, c.Auth(b"PLAIN", b"=")),
    (b"AUTH", State.AUTHORIZATION, c.Mechanisms()),
    (b"AUTH ", State.AUTHORIZATION, c.Mechanisms()),
    (b"STLS", State.AUTHORIZATION, c.Stls()),
    (b"CAPA", State.AUTHORIZATION, c.Capa()),
    (b"CAPA", State.TRANSACTION, c.Capa()),
    (b"stat ", State.TRANSACTION, c.Stat()),
    (b"LIST", State.TRANSACTION, c.List()),
    (b"LIST ", State.TRANSACTION, c.List()),
    (b"LIST 007", State.TRANSACTION, c.List(7)),
    (b"UIDL", State.TRANSACTION, c.Uidl()),
    (b"UIDL 2 ", State.TRANSACTION, c.Uidl(2)),
    (b"RETR 1", State.TRANSACTION, c.Retr(1)),
    (b"TOP 1 0", State.TRANSACTION, c.Top(1, 0)),
    (b"TOP 12 2147483647", State.TRANSACTION, c.Top(12, 2147483647)),
    (b"DELE 3", State.TRANSACTION, c.Dele(3)),
    (b"NOOP", State.TRANSACTION, c.Noop()),
    (b"RSET", State.TRANSACTION, c.Rset()),
    (b"QUIT", State.AUTHORIZATION, c.Quit()),
    (b"QUIT", State.TRANSACTION, c.Quit()),
]

REFUSED = [
    (b"", State.AUTHORIZATION, "Unknown command"),
    (b" USER a", State.AUTHORIZATION, "Unknown command"),
    (b"APOP a b", State.AUTHORIZATION, "Unknown command"),
    (b"\x00\xff\xfe", State.TRANSACTION, "Unknown command"),
    (b"RETR\t1", State.TRANSACTION, "Unknown command"),
    (b"USER", State.AUTHORIZATION, "USER needs a name"),
    (b"USER  ", State.AUTHORIZATION, "USER needs a name"),
    (b"PASS x", State.AUTHORIZATION, "USER first"),
    (b"PASS", State.USER_GIVEN, "PASS needs a password"),
    (b"PASS x", State.TRANSACTION, "Not after the login"),
    (b"AUTH PLAIN a b", State.AUTHORIZATION, "AUTH takes a mechanism and at most one initial response"),
    (b"STLS", State.TRANSACTION, "Not after the login"),
    (b"STLS x", State.AUTHORIZATION, "No arguments are allowed"),
    (b"STAT", State.AUTHORIZATION, "Log in first"),
    (b"RETR x", State.AUTHORIZATION, "Log in first"),
    (b"RETR", State.TRANSACTION, "Wrong number of arguments"),
    (b"RETR 1 2", State.TRANSACTION, "Wrong number of arguments"),
    (b"RETR -1", State.TRANSACTION, "A number is expected"),
    (b"RETR +1", State.TRANSACTION, "A number is expected"),
    (b"RETR  1", State.TRANSACTION, "Wrong number of arguments"),
    (b"RETR \xd9\xa1", State.TRANSACTION, "A number is expected"),
    (b"RETR 99999999999", State.TRANSACTION, "A number is expected"),
    (b"TOP 1", State.TRANSACTION, "Wrong number of arguments"),
    (b"TOP 1 -1", State.TRANSACTION, "A number is expected"),
]


@pytest.mark.parametrize(("line", "state", "command"), ACCEPTED)
def test_accepted(line: bytes, state: State, command: c.Command) -> None:
    assert c.parse(line, state) == command


@pytest.mark.parametrize(("line", "state", "text"), REFUSED)
def test_refused(line: bytes, state: State, text: str) -> None:
    with pytest.raises(SyntaxFault) as caught:
        c.parse(line, state)
    assert caught.value.text == text


def test_every_command_has_a_row() -> None:
    lines = {type(command) for _, _, command in ACCEPTED}
    assert {*lines, c.SaslResponse} == set(c.Command.__args__)


def test_secrets_are_not_shown() -> None:
    shown = repr([c.Pass(b"hunter2"), c.Auth(b"PLAIN", b"hunter2"), c.SaslResponse(b"hunter2")])
    assert "hunter2" not in shown


def test_a_login_counts_only_inside_its_layer() -> None:
    assert TRANSITIONS[State.USER_GIVEN, Step.TLS_STARTED] is State.AUTHORIZATION
    assert (State.TRANSACTION, Step.TLS_STARTED) not in TRANSITIONS
    assert (State.TRANSACTION, Step.LOGGED_IN) not in TRANSITIONS
