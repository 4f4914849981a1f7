"""IMAP over real sockets with peers that send nonsense, stop in the middle, stall, or do not read."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.common import stream
from services.imap import session
from tests.fuzz.corpus import conversations, pieces, spoiled
from tests.fuzz.peers import PATIENCE, converse, hear, quiet, vanish
from tests.imap.support import Platform, running_platform
from tests.support.processes import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="module")
SEEDS = range(60)
LOGIN = b"a LOGIN %b %b\r\n"
WHOLE = (
    b"b SELECT INBOX\r\nc APPEND INBOX (\\Seen) {22+}\r\nSubject: x\r\n\r\nthe text\r\n"
    b"d FETCH 1:* (FLAGS ENVELOPE BODY.PEEK[])\r\ne SEARCH TEXT {4+}\r\ntext\r\nf IDLE\r\nDONE\r\n"
    b"g UID STORE 1:* +FLAGS (\\Flagged)\r\nh COPY 1 Trash\r\ni AUTHENTICATE PLAIN\r\n*\r\nj LOGOUT\r\n"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(
    shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    shared_redis.flush()
    async with running_platform(shared_redis.url, tmp_path_factory.mktemp("bodies"), plaintext=True) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def login(platform: Platform) -> bytes:
    """The command that logs in."""
    account = await platform.new_account()
    return LOGIN % (account["user"].encode(), account["password"].encode())


async def test_spoiled_dialogues(platform: Platform) -> None:
    corpus = conversations("imap", await platform.new_account())
    for seed in SEEDS:
        said = await converse(platform.connect("imap"), pieces(spoiled(corpus, seed), seed), pause=True)
        assert said.startswith(b"* OK "), f"seed {seed}"
    await quiet(platform.server)


async def test_commands_that_end_in_the_middle(platform: Platform, login: bytes) -> None:
    for end in range(len(WHOLE)):
        if end % 2:
            await vanish(platform.connect("imap"), login + WHOLE[:end])
        else:
            await converse(platform.connect("imap"), [login + WHOLE[:end]])
    await quiet(platform.server)


async def test_binary(platform: Platform, login: bytes) -> None:
    for seed, start in enumerate([b"", login, login + b"b SELECT INBOX\r\n", login + b"b IDLE\r\n"]):
        garbage = random.Random(seed).randbytes(300_000)
        said = await converse(platform.connect("imap"), [start, *pieces(garbage, seed)])
        assert said.startswith(b"* OK ") or not said
    await quiet(platform.server)


async def test_a_line_and_a_literal_without_end(platform: Platform, login: bytes) -> None:
    long = [b"x" * 65536] * 160
    said = await converse(platform.connect("imap"), [login, b"b ", *long, b"\r\nc NOOP\r\n"])
    assert said.endswith(b"b BAD The line is too long\r\nc OK NOOP completed\r\n")
    said = await converse(platform.connect("imap"), [login, b"b SUBSCRIBE {5000000000+}\r\n"])
    assert said.endswith(b"b BAD The literal is too large\r\n* BYE The literal is too large\r\n")
    said = await converse(platform.connect("imap"), [login, b"b SUBSCRIBE {10000000+}\r\n", *long])
    assert b"\r\na OK " in said
    assert b"\r\nb " not in said
    await quiet(platform.server)


STALLED = [
    (b"", b"* BYE Idle for too long\r\n"),
    (b"b LOG", b"* BYE Idle for too long\r\n"),
    (b"b LOGIN {5}\r\nali", b"+ Ready for the literal\r\n* BYE Idle for too long\r\n"),
    (b"b AUTHENTICATE PLAIN\r\n", b"+ \r\n* BYE Idle for too long\r\n"),
]


@pytest.mark.parametrize(("octets", "farewell"), STALLED)
async def test_a_peer_that_stalls_before_its_login(
    octets: bytes, farewell: bytes, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOGIN_TIMEOUT", 0.2)
    said = await hear(platform.connect("imap"), octets)
    assert said.partition(b"\r\n")[2] == farewell
    await quiet(platform.server)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"b NO",
        b"b IDLE\r\n",
        b"b SELECT {5}\r\nIN",
        b"b APPEND INBOX {50}\r\nSubject",
        b"b APPEND INBOX {99999+}\r\n",
    ],
)
async def test_a_peer_that_stalls_behind_its_login(
    octets: bytes, platform: Platform, login: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "INACTIVITY", 0.2)
    monkeypatch.setattr(session, "LITERAL_TIMEOUT", 0.2)
    said = await hear(platform.connect("imap"), login + octets)
    assert b"\r\na OK " in said
    assert said.endswith(b"\r\n* BYE Idle for too long\r\n")
    await quiet(platform.server)


async def test_a_peer_that_does_not_read(
    platform: Platform, login: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cut, and until then costs no more than what may wait for it."""
    monkeypatch.setattr(stream, "WRITE_TIMEOUT", 0.3)
    body = b"Subject: big\r\n\r\n" + b"x" * 78 * 20_000
    append = b"b APPEND INBOX {%d+}\r\n%b\r\n" % (len(body), body)
    assert b"\r\nb OK " in await converse(platform.connect("imap"), [login, append])
    _, writer = await platform.connect("imap")()
    writer.transport.pause_reading()
    writer.write(login + b"b SELECT INBOX\r\n" + b"c FETCH 1:* BODY.PEEK[]\r\n" * 40)
    await quiet(platform.server)
    writer.transport.abort()


@pytest.mark.parametrize("octets", [b"", b"\x16\x03\x01", b"a NOOP\r\n", b"\0" * 5000])
async def test_no_tls_where_tls_is_expected(
    octets: bytes, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HANDSHAKE_TIMEOUT", 0.3)
    port = platform.server.ports["imaps"]
    said = await hear(lambda: asyncio.open_connection("127.0.0.1", port), octets)
    assert b"OK" not in said
    await quiet(platform.server)


async def test_nonsense_behind_starttls(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HANDSHAKE_TIMEOUT", 0.3)
    reader, writer = await platform.connect("imap")()
    writer.write(b"a STARTTLS\r\n")
    while not (await reader.readline()).startswith(b"a OK"):
        pass
    writer.write(b"b LOGIN x y\r\n")
    assert b"b " not in await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    await quiet(platform.server)
