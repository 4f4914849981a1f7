"""Whatever comes in: a protocol error or nothing, never a traceback, a stuck task or a lost message."""

import random
import re
import socket
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.platform import Platform, until

METRICS = {"smtp": 92, "pop3": 93, "imap": 94}
PORTS = {"smtp": 25, "pop3": 110, "imap": 143}
# Lines that each protocol may answer with.
ANSWERS = {
    "smtp": re.compile(rb"[2-5]\d\d[ -]"),
    "pop3": re.compile(rb"\+OK|-ERR |[A-Z0-9-]+( |$)|\.$"),  # with the lines of CAPA
    "imap": re.compile(rb"\* |\+ |\S+ (OK|NO|BAD) "),
}
DIALOGUES = {
    "smtp": b"EHLO x.example\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
    b"Subject: x\r\n\r\n.\r\n",
    "pop3": b"CAPA\r\nUSER alice@example.test\r\nPASS alice\r\nLIST\r\nRETR 1\r\nTOP 1 1\r\nQUIT\r\n",
    "imap": b"x1 CAPABILITY\r\nx2 LOGIN {5}\r\nalice {5+}\r\nalice\r\nx3 SELECT INBOX\r\n"
    b"x4 FETCH 1:* (FLAGS BODY[])\r\n",
}


def bad_inputs(protocol: str) -> Iterator[bytes]:
    """The same each time: garbage, lines and literals beyond every limit, dialogues garbled and cut off."""
    rng = random.Random(protocol)
    dialogue = DIALOGUES[protocol]
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # a TLS hello where none is expected
    yield b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield b"\0" * 100 + b"\r\n"
    yield b"A" * 2_000_000 + b"\r\n"
    yield b"x1 APPEND INBOX {99999999999999999999}\r\n" + b"x2 LOGIN {4294967296+}\r\n"
    yield b"\r\n" * 500
    yield b"x (((((" * 2000 + b"\r\n"
    for _ in range(40):
        octets = bytearray(dialogue)
        for _ in range(rng.randint(1, 8)):
            octets[rng.randrange(len(octets))] = rng.randrange(256)
        yield bytes(octets[: rng.randint(1, len(octets))])
    for _ in range(10):
        yield rng.randbytes(rng.randint(1, 5000))


def talk(port: int, octets: bytes) -> bytes:
    """All that the server says to this until it, or we, have nothing more to say."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        said = connection.recv(4096)
        try:
            connection.sendall(octets)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                said += piece
        except (ConnectionResetError, BrokenPipeError):
            pass  # closed on us with octets unread: what was said has come or is lost
        return said


def open_connections(platform: Platform, protocol: str) -> float:
    url = f"http://127.0.0.1:{platform.port(METRICS[protocol])}/metrics"
    with urllib.request.urlopen(url, timeout=30) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("connections"))


@pytest.mark.parametrize("protocol", PORTS)
def test_anything_gets_an_answer_of_the_protocol_or_none(
    platform: Platform, user: str, protocol: str
) -> None:
    platform.deliver("before", to=user)
    pid = platform.child(protocol)
    for octets in bad_inputs(protocol):
        for line in talk(platform.port(PORTS[protocol]), octets).splitlines():
            assert ANSWERS[protocol].match(line), (octets[:200], line)
    assert b"Traceback" not in platform.log().encode()
    until(lambda: open_connections(platform, protocol) == 0, platform.log)
    assert platform.child(protocol) == pid  # it never died
    platform.deliver("after", to=user)
    assert platform.subjects(user=user) == ["before", "after"]
