"""The engine: lines to commands in the right state, whatever the pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import Fault, Refused, SyntaxFault
from services.common.protocol.address import Mailbox
from services.smtp.faults import LoginUnavailable, reply_to
from services.smtp.protocol import commands as c
from services.smtp.protocol.engine import BadLine, DataChunk, DataEnd, Engine, Event
from services.smtp.protocol.state import State, Step

LINES = [
    (b"EHLO client.example", State.GREETED, c.Ehlo("client.example")),
    (b"helo [192.0.2.1]", State.READY, c.Helo("[192.0.2.1]")),
    (b"MAIL FROM:<a@Example.NET>", State.READY, c.Mail(Mailbox("a", "example.net"))),
    (b"MAIL FROM:<>", State.READY, c.Mail(None)),
    (b"MAIL FROM: <a@b.example>", State.READY, c.Mail(Mailbox("a", "b.example"))),
    (
        b"mail from:<a@b.example> SIZE=1000 BODY=8BITMIME AUTH=<>",
        State.READY,
        c.Mail(Mailbox("a", "b.example"), 1000),
    ),
    (b'RCPT TO:<"a b"@c.example>', State.MAIL, c.Rcpt(Mailbox("a b", "c.example"))),
    (b"RCPT TO:<@relay.example:a@c.example>", State.RCPT, c.Rcpt(Mailbox("a", "c.example"))),
    (b"DATA", State.RCPT, c.Data()),
    (b"NOOP anything", State.MAIL, c.Noop()),
    (b"VRFY bob", State.GREETED, c.Vrfy(b"bob")),
    (b"AUTH PLAIN AGEAYg==", State.READY, c.Auth(b"PLAIN", b"AGEAYg==")),
    (b"QUIT", State.GREETED, c.Quit()),
]
BAD = [
    (b"", State.READY, 500),
    (b"FROB", State.READY, 500),
    (b"EHLO", State.GREETED, 501),
    (b"MAIL FROM:<a@b.example>", State.GREETED, 503),
    (b"MAIL FROM:a@b", State.READY, 501),
    (b"MAIL FROM:<a@b.example>X", State.READY, 501),
    (b"MAIL FROM:<a@b.example> SIZE=x", State.READY, 501),
    (b"MAIL FROM:<a@b.example> FOO=1", State.READY, 555),
    (b"MAIL FROM:<a@b.example> SIZE=1 SIZE=1", State.READY, 501),
    ("MAIL FROM:<é@b.example>".encode(), State.READY, 553),
    (b"RCPT TO:<>", State.MAIL, 501),
    (b"RCPT TO:<a@b.example>", State.READY, 503),
    (b"RCPT TO:<a@b.example> NOTIFY=NEVER", State.MAIL, 555),
    (b"DATA", State.MAIL, 503),
    (b"DATA now", State.RCPT, 501),
    (b"NO\0OP", State.READY, 501),
    (b"NOOP\rNOOP", State.READY, 500),
    (b"\xff\xfe\x00binary", State.READY, 501),
    (b"X" * 3000, State.READY, 500),
]


@pytest.mark.parametrize(("line", "state", "command"), LINES, ids=lambda v: repr(v)[:30])
def test_commands(line: bytes, state: State, command: c.Command) -> None:
    assert c.parse(line, state) == command


@pytest.mark.parametrize(("line", "state", "code"), BAD, ids=lambda v: repr(v)[:30])
def test_bad_lines_get_a_code_and_leave_the_state(line: bytes, state: State, code: int) -> None:
    engine = Engine(1000)
    engine.state = state
    engine.receive_data(line + b"\r\n")
    event = engine.next_event()
    assert isinstance(event, BadLine)
    assert reply_to(event.fault).startswith(str(code).encode())
    assert engine.state is state


def test_a_bare_line_feed_is_no_line_end() -> None:
    engine = Engine(1000)
    engine.receive_data(b"NOOP\n")
    event = engine.next_event()
    assert isinstance(event, BadLine)
    assert isinstance(event.fault, SyntaxFault)


def test_faults_that_are_not_ours_to_judge_are_temporary() -> None:
    assert reply_to(Refused("SOMETHING_NEW", "?")).startswith(b"451 4.3.0")
    assert reply_to(Fault("?")).startswith(b"451")
    # A service token of another role: an error of ours, for which no mail may bounce.
    assert reply_to(Refused("PERMISSION_DENIED", "?")).startswith(b"451 4.3.0")


def test_an_address_that_the_store_does_not_take_is_bad_for_ever() -> None:
    assert reply_to(Refused("ADDRESS", "?")) == b"553 5.1.3 ?\r\n"


@pytest.mark.parametrize(
    ("line", "recipient"),
    [
        (b"RCPT TO:<a..b@c.example>", True),
        (b"rcpt TO:<a@b.example> NOTIFY=NEVER", True),
        (b"RCPT", True),
        (b"RCPTS TO:<a@b.example>", False),
        (b"FROB", False),
        (b"RCPT TO:<" + b"x" * 3000, False),
    ],
    ids=lambda v: repr(v)[:30],
)
def test_recipients_that_are_not_taken_are_told_apart(line: bytes, recipient: bool) -> None:
    engine = Engine(1000)
    for state, expected in ((State.RCPT, recipient), (State.READY, False)):
        engine.state = state
        engine.receive_data(line + b"\r\n")
        event = engine.next_event()
        assert isinstance(event, BadLine)
        assert event.recipient is expected


def test_a_reply_line_has_512_octets_at_most() -> None:
    """RFC 5321 §4.5.3.1.5."""
    engine = Engine(1000)
    engine.state = State.READY
    engine.receive_data(b"MAIL FROM:<a@b.example> " + b"A" * 1900 + b"\r\n")
    event = engine.next_event()
    assert isinstance(event, BadLine)
    assert reply_to(event.fault) == b"555 5.5.4 Parameter " + b"A" * 40 + b" is not known\r\n"
    assert len(reply_to(Refused("ADDRESS", "x" * 1000))) == 512


def test_a_login_that_nobody_can_check_has_a_reply_of_its_own() -> None:
    """RFC 4954 §6."""
    assert reply_to(LoginUnavailable("Later")) == b"454 4.7.0 Later\r\n"


def converse(octets: bytes, size: int) -> list[Event]:
    """All events, moving as a session would; chunks of message octets are joined."""
    engine, events = Engine(10_000), []
    steps = {c.Ehlo: Step.HELLO, c.Mail: Step.SENDER_TAKEN, c.Rcpt: Step.RECIPIENT_TAKEN}
    steps |= {c.Data: Step.DATA_STARTED, DataEnd: Step.RESET, c.Rset: Step.RESET}
    message = b""
    for at in range(0, len(octets), size):
        engine.receive_data(octets[at : at + size])
        while (event := engine.next_event()) is not None:
            if isinstance(event, DataChunk):
                message += event.octets
                continue
            if isinstance(event, DataEnd) and event.problem is None:
                assert event.size == len(message)
                events.append(DataChunk(message))
            message = b""
            events.append(repr(event) if isinstance(event, BadLine) else event)
            if type(event) in steps:
                engine.move(steps[type(event)])
    return events


WORDS = [
    b"EHLO x\r\n",
    b"MAIL FROM:<a@b.example>\r\n",
    b"RCPT TO:<c@d.example>\r\n",
    b"DATA\r\n",
    b"text\r\n",
    b"..\r\n",
    b".\r\n",
    b"RSET\r\n",
    b"\n",
    b"garbage\r\n",
    b"\x80\x81\r\n",
]


@given(st.lists(st.sampled_from(WORDS), max_size=25), st.integers(1, 11))
def test_any_chunking_gives_the_same_events(words: list[bytes], size: int) -> None:
    octets = b"".join(words)
    assert converse(octets, size) == converse(octets, max(len(octets), 1))


def test_pipelined_octets_wait_for_the_state() -> None:
    pipelined = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nDATA\r\n.\r\nQUIT\r\n"
    kinds = [type(event) for event in converse(pipelined, len(pipelined))]
    assert kinds == [c.Ehlo, c.Mail, c.Rcpt, c.Data, DataChunk, DataEnd, c.Quit]
