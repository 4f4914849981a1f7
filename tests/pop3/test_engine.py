"""The engine: the same events however octets are cut; long lines; the order of states."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pop3.protocol import commands as c
from services.pop3.protocol.engine import MAX_COMMAND, MAX_RESPONSE_LINE, BadLine, Engine, Event
from services.pop3.protocol.state import State, Step

LONG = BadLine("Line too long")

# What a session's handlers would report, so that streams reach every state.
STEPS = {
    c.User: Step.USER_ACCEPTED,
    c.Auth: Step.CHALLENGE_SENT,
    c.SaslResponse: Step.LOGGED_IN,
    c.Pass: Step.LOGGED_IN,
    c.Quit: Step.CLOSED,
}


def play(pieces: list[bytes]) -> tuple[list[Event], State]:
    engine = Engine()
    events: list[Event] = []
    for piece in pieces:
        engine.receive_data(piece)
        while (event := engine.next_event()) is not None:
            events.append(event)
            if type(event) in STEPS:
                engine.move(STEPS[type(event)])
    return events, engine.state


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(bounds)]


LINES = [
    b"USER fred\r\n",
    b"PASS a b\r\n",
    b"AUTH PLAIN\r\n",
    b"AGEAYg==\r\n",
    b"*\r\n",
    b"STAT\n",
    b"RETR 1\r\n",
    b"TOP 1 x\r\n",
    b"QUIT\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"AUTH " + b"a" * 300 + b"\r\n",
    b"x" * (MAX_COMMAND - 2) + b"\r\n",
    b"x" * (MAX_COMMAND - 1) + b"\r\n",
    b"y" * 12_300 + b"\n",
    b"z" * 66_000,
]


@given(
    st.lists(st.sampled_from(LINES) | st.binary(max_size=20), max_size=12),
    st.lists(st.integers(0, 2**31), max_size=8),
)
def test_any_chunking(lines: list[bytes], places: list[int]) -> None:
    data = b"".join(lines)
    assert play(cut(data, places)) == play([data])


def test_byte_by_byte() -> None:
    data = b"USER fred\r\nPASS x y\r\nSTAT\r\nLIST 2\r\nQUIT\r\nSTAT\r\n"
    whole = play([data])
    assert whole == play([data[i : i + 1] for i in range(len(data))])
    assert whole == ([c.User(b"fred"), c.Pass(b"x y"), c.Stat(), c.List(2), c.Quit()], State.CLOSED)


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"NOOP\r\n" + b"x" * 253 + b"\r\n", [BadLine("Log in first"), BadLine("Unknown command")]),
        (b"x" * 254 + b"\r\nCAPA\r\n", [LONG, c.Capa()]),
        (b"x" * 100_000, []),
        (
            b"AUTH PLAIN " + b"A" * (MAX_RESPONSE_LINE - 13) + b"\r\n",
            [c.Auth(b"PLAIN", b"A" * (MAX_RESPONSE_LINE - 13))],
        ),
        (b"AUTH PLAIN " + b"A" * (MAX_RESPONSE_LINE - 12) + b"\r\nCAPA\r\n", [LONG, c.Capa()]),
        (b"x" * 100_000 + b"\r\nCAPA\r\n", [LONG, c.Capa()]),
    ],
)
def test_long_lines(data: bytes, events: list[Event]) -> None:
    assert play([data])[0] == events


def test_an_answer_to_a_challenge_is_no_command() -> None:
    events, state = play([b"AUTH PLAIN\r\nQUIT\r\nSTAT\r\n"])
    assert events == [c.Auth(b"PLAIN"), c.SaslResponse(b"QUIT"), c.Stat()]
    assert state is State.TRANSACTION


def test_buffered_tells_what_came_behind_stls() -> None:
    engine = Engine()
    engine.receive_data(b"STLS\r\nU")
    assert engine.next_event() == c.Stls()
    assert engine.buffered
    clean = Engine()
    clean.receive_data(b"STLS\r\n")
    assert clean.next_event() == c.Stls()
    assert not clean.buffered


def test_nothing_is_kept_after_the_end() -> None:
    engine = Engine()
    engine.receive_data(b"QUIT\r\nSTAT\r\n")
    assert engine.next_event() == c.Quit()
    engine.move(Step.CLOSED)
    assert engine.next_event() is None
    engine.receive_data(b"STAT\r\n")
    assert not engine.buffered
