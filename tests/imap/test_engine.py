"""The engine: commands out of octets, whatever way they were cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.imap.protocol.commands.append import Append
from services.imap.protocol.commands.login import Login
from services.imap.protocol.commands.noop import Noop
from services.imap.protocol.commands.select import Select
from services.imap.protocol.engine import MAX_BEFORE_LOGIN, MAX_LINE, MAX_TAG, Engine
from services.imap.protocol.events import (
    AppendEnd,
    AppendStart,
    BadCommand,
    ContinueNeeded,
    Event,
    Line,
    LiteralChunk,
    Received,
)
from services.imap.protocol.state import State

MAX_MESSAGE = 100


def engine(state: State = State.AUTHENTICATED) -> Engine:
    made = Engine(MAX_MESSAGE)
    made.state = state
    if state is not State.NOT_AUTHENTICATED:
        made.raise_limits()
    return made


def events(made: Engine, *pieces: bytes) -> list[Event]:
    """All events, APPEND's chunks joined; messages above MAX_MESSAGE refused."""
    found: list[Event] = []
    for piece in pieces:
        made.receive_data(piece)
        while (event := made.next_event()) is not None:
            if isinstance(event, LiteralChunk) and found and isinstance(found[-1], LiteralChunk):
                event = LiteralChunk(found.pop().data + event.data)  # type: ignore[union-attr]
            found.append(event)
            if isinstance(event, AppendStart):
                if event.size > MAX_MESSAGE:
                    made.refuse_append()
                else:
                    made.accept_append()
    return found


def noop(tag: bytes) -> Received:
    return Received(tag, b"NOOP", Noop())


def test_commands_one_after_the_other() -> None:
    assert events(engine(), b"a1 noop\r\nA2 Select inbox (condstore)\r\n") == [
        noop(b"a1"),
        Received(b"A2", b"SELECT", Select("INBOX", condstore=True)),
    ]


@pytest.mark.parametrize(
    ("line", "tag"),
    [
        (b"", b"*"),
        (b"a1", b"a1"),
        (b"a1 ", b"a1"),
        (b" noop", b"*"),
        (b"+ noop", b"*"),
        (b"a1 frobnicate", b"a1"),
        (b"a1 noop x", b"a1"),
        (b"a1 uid noop", b"a1"),
        (b"a1 uid", b"a1"),
        (b"a1 check", b"a1"),  # not selected
        (b"a1 login a b", b"a1"),  # logged in already
        (b"a1 select", b"a1"),
        (b"a1 select a b", b"a1"),
        (b"GET / HTTP/1.1", b"GET"),
        (b"\x16\x03\x01", b"*"),
    ],
)
def test_bad_lines(line: bytes, tag: bytes) -> None:
    bad, after = events(engine(), line + b"\r\nb noop\r\n")
    assert isinstance(bad, BadCommand)
    assert bad.tag == tag
    assert not bad.fatal
    assert after == noop(b"b")


def test_literals() -> None:
    made = engine(State.NOT_AUTHENTICATED)
    assert events(made, b"a login {3}\r\n") == [ContinueNeeded()]
    assert events(made, b"joe {2}\r\n") == [ContinueNeeded()]
    assert events(made, b"pw\r\n") == [Received(b"a", b"LOGIN", Login(b"joe", b"pw"))]
    both = b"a login {3+}\r\njoe {4+}\r\np\r\nw\r\n"
    assert events(made, both) == [Received(b"a", b"LOGIN", Login(b"joe", b"p\r\nw"))]


def test_no_octet_of_a_refused_literal_becomes_a_command() -> None:
    made = engine()
    bad, after = events(made, b"a foo {13+}\r\nx noop\r\ny n\r\n z {3+}\r\nabc\r\nb noop\r\n")[:2]
    assert isinstance(bad, BadCommand)
    assert bad.tag == b"a"
    assert after == noop(b"b")


def test_a_synchronising_literal_that_is_not_wanted_is_not_asked_for() -> None:
    bad, after = events(engine(), b"a foo {12}\r\nb noop\r\n")
    assert isinstance(bad, BadCommand)
    assert after == noop(b"b")


def test_limits() -> None:
    made = engine(State.NOT_AUTHENTICATED)
    bad, after = events(made, b"a login x %b\r\nb noop\r\n" % (b"x" * MAX_BEFORE_LOGIN))
    assert isinstance(bad, BadCommand)
    assert bad.tag == b"a"
    assert after == noop(b"b")
    bad, after = events(made, b"a login {%d}\r\nb noop\r\n" % (MAX_BEFORE_LOGIN + 1))
    assert isinstance(bad, BadCommand)
    assert after == noop(b"b")
    made = engine()
    parts = b"".join(b" {%d+}\r\n%b" % (MAX_LINE, b"x" * MAX_LINE) for _ in range(20))
    bad, after = events(made, b"a select%b\r\nb noop\r\n" % parts)
    assert isinstance(bad, BadCommand)
    assert after == noop(b"b")


@pytest.mark.parametrize("start", [b"foo", b"append x", b"append", b"select", b"select x"])
@pytest.mark.parametrize("size", [b"4294967295", b"0000000000004294967295"[-20:], b"9" * 20])
def test_a_literal_without_end_is_fatal(start: bytes, size: bytes) -> None:
    (bad,) = events(engine(), b"a %b {%b+}\r\n" % (start, size))
    assert isinstance(bad, BadCommand)
    assert (bad.tag, bad.fatal) == (b"a", True)


def test_a_long_line_that_ends_in_a_literal() -> None:
    line = b"a foo %b {7+}\r\nc noop\r\nb noop\r\n" % (b"x" * (2 * MAX_LINE))
    for pieces in ([line], [line[n : n + 1000] for n in range(0, len(line), 1000)]):
        bad, after = events(engine(), *pieces)
        assert isinstance(bad, BadCommand)
        assert bad.tag == b"a"
        assert after == noop(b"b")


APPEND = b'a append "x y" (\\Seen \\Recent $a) "01-Jan-1970 00:00:01 +0000" '


def test_append() -> None:
    command = Append("x y", 1, ("$a",), 1 << 16)
    assert events(engine(), APPEND + b"{7+}\r\nb noop\r", b"\r\nc noop\r\n") == [
        AppendStart(b"a", command, 7, False),
        LiteralChunk(b"b noop\r"),
        AppendEnd(),
        noop(b"c"),
    ]
    made = engine()
    assert events(made, APPEND + b"{2}\r\n") == [AppendStart(b"a", command, 2, True)]
    assert events(made, b"hi") == [LiteralChunk(b"hi")]
    assert events(made, b"\r\n") == [AppendEnd()]


def test_append_to_a_name_in_a_literal() -> None:
    made = engine()
    assert events(made, b"a append {1}\r\n") == [ContinueNeeded()]
    assert events(made, b"x {2+}\r\nhi\r\n") == [
        AppendStart(b"a", Append("x"), 2, False),
        LiteralChunk(b"hi"),
        AppendEnd(),
    ]


def test_append_with_something_behind() -> None:
    _, _, end, after = events(engine(), b"a append x {2+}\r\nhi there\r\nb noop\r\n")
    assert isinstance(end, AppendEnd)
    assert end.text
    assert after == noop(b"b")


BEHIND_MESSAGE = [
    b" (\\Seen) {8+}\r\nx noop\r\n\r\n",
    b"{0+}\r\n{8+}\r\nx noop\r\n {8+}\r\ny noop\r\n there\r\n",
    b"%b {8+}\r\nx noop\r\n\r\n" % (b"x" * 2 * MAX_LINE),
    b" {8}\r\n",  # it waits to be asked
]


@pytest.mark.parametrize("behind", BEHIND_MESSAGE, ids=["one", "many", "long", "synchronising"])
def test_no_octet_of_a_literal_behind_a_message_becomes_a_command(behind: bytes) -> None:
    data = b"a append x {2+}\r\nhi" + behind + b"b noop\r\n"
    for size in (len(data), 1000, 7):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        _, message, end, after = events(engine(), *pieces)
        assert message == LiteralChunk(b"hi")
        assert isinstance(end, AppendEnd)
        assert end.text
        assert after == noop(b"b")


def test_a_literal_without_end_behind_a_message_is_fatal() -> None:
    *_, bad = events(engine(), b"a append x {2+}\r\nhi {4294967295+}\r\n")
    assert isinstance(bad, BadCommand)
    assert (bad.tag, bad.fatal) == (b"a", True)


def test_tags_have_one_bound() -> None:
    for size, told in ((MAX_TAG, b"t" * MAX_TAG), (MAX_TAG + 1, b"*")):
        tag = b"t" * size
        good, bad, long = events(
            engine(), b"%b noop\r\n%b foo\r\n%b %b\r\n" % (tag, tag, tag, b"x" * MAX_LINE)
        )
        assert [event.tag for event in (good, bad, long)] == [told] * 3  # type: ignore[union-attr]
        assert isinstance(good, Received) == (told == tag)


def test_append_refused() -> None:
    start, after = events(engine(), b"a append x {101}\r\nb noop\r\n")
    assert start == AppendStart(b"a", Append("x"), 101, True)
    assert after == noop(b"b")
    start, after = events(
        engine(), b"a append x {101+}\r\n%b\r\nb noop\r\n" % (b"\r\nc noop" * 12 + b"d no ")
    )
    assert after == noop(b"b")


@pytest.mark.parametrize("arguments", [b"x (\\Foo)", b"x (a", b'x "yesterday"', b"x y", b"(\\Seen)", b""])
def test_bad_append(arguments: bytes) -> None:
    bad, after = events(engine(), b"a append %b {7+}\r\nc noop\r\r\nb noop\r\n" % arguments)
    assert isinstance(bad, BadCommand)
    assert bad.tag == b"a"
    assert after == noop(b"b")


@pytest.mark.parametrize("arguments", [b"", b" ", b" x", b" x ", b" x (\\Seen) ", APPEND[8:]])
def test_append_without_a_message(arguments: bytes) -> None:
    bad, after = events(engine(), b"a append%b\r\nb noop\r\n" % arguments)
    assert isinstance(bad, BadCommand)
    assert bad.tag == b"a"
    assert after == noop(b"b")


def test_lines_that_were_asked_for() -> None:
    made = engine()
    made.expect_line()
    assert events(made, b"DONE\r\nb noop\r\n") == [Line(b"DONE"), noop(b"b")]
    made.expect_line()
    (line,) = events(made, b"x" * (MAX_LINE + 2) + b"\r\n")
    assert isinstance(line, Line)
    assert line.too_long
    made.expect_line()
    assert events(made, b"x {3+}\r\nb noop\r\n") == [Line(b"x {3+}"), noop(b"b")]


def test_bare_lf_ends_a_line() -> None:
    assert events(engine(), b"a noop\nb select {1+}\nx\n") == [
        noop(b"a"),
        Received(b"b", b"SELECT", Select("x")),
    ]


def test_buffered_and_closed() -> None:
    made = engine()
    events(made, b"a noop\r\nb")
    states = [made.buffered]
    made.close()
    states.append(made.buffered)
    assert events(made, b" noop\r\n") == []
    assert [*states, made.buffered] == [True, False, False]


FRAGMENTS = [
    b"a noop\r\n", b"\r\n", b"a", b" ", b"{3+}\r\n", b"{3}\r\n", b"{0+}\r\n", b"{200+}\r\n", b"select",
    b"append", b"login", b"INBOX", b"(\\Seen)", b'"', b"\\", b"\n", b"uid", b"xyz", b"\0",
    b"a append x {3+}\r\nabc\r\n", b"a append {1+}\r\nx {3+}\r\n", b"a foo {5+}\r\n", b"x" * 300,
    b"a append x {3+}\r\nabc (\\Seen) {5+}\r\n",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(FRAGMENTS), max_size=30), st.lists(st.integers(1, 40), min_size=1, max_size=20)
)
def test_any_chunking_gives_the_same_events(fragments: list[bytes], sizes: list[int]) -> None:
    data = b"".join(fragments)
    pieces, position, turn = [], 0, 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        pieces.append(data[position : position + size])
        position, turn = position + size, turn + 1
    assert events(engine(), *pieces) == events(engine(), data)
