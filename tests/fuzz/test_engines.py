"""Any octets in any pieces: the engines raise nothing, say the same, and keep no more than a line."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import TOKENS, bytewise, conversations, pieces, spoiled
from tests.fuzz.drivers import DRIVERS

SEEDS = 400
# What the placeholders of dialogues stand for, where nobody is asked.
VARIABLES = {
    "user": "user@example.org",
    "user_length": "16",
    "user_base64": "dXNlckBleGFtcGxlLm9yZw==",
    "password": '"correct horse"',
    "bare_password": "correct horse",
    "password_length": "13",
    "password_base64": "Y29ycmVjdCBob3JzZQ==",
    "plain": "AHVzZXIAcGFzcw==",
}
CORPORA = {protocol: conversations(protocol, VARIABLES) for protocol in DRIVERS}
# Commands that lead into every state, for what comes behind them.
STARTS = {
    "imap": [b"", b"a LOGIN x y\r\n", b"a LOGIN x y\r\nb SELECT z\r\n", b"a LOGIN x y\r\nb IDLE\r\n"],
    "smtp": [
        b"",
        b"EHLO x\r\n",
        b"EHLO x\r\nAUTH PLAIN\r\n",
        b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n",
        b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n",
    ],
    "pop3": [b"", b"USER x\r\n", b"AUTH PLAIN\r\n", b"USER x\r\nPASS y\r\n"],
}
PROTOCOLS = pytest.mark.parametrize("protocol", DRIVERS)


@PROTOCOLS
def test_the_dialogues_as_they_are(protocol: str) -> None:
    drive = DRIVERS[protocol]
    for octets in CORPORA[protocol]:
        assert drive(bytewise(octets)) == drive([octets])


@PROTOCOLS
def test_the_dialogues_spoiled(protocol: str) -> None:
    drive = DRIVERS[protocol]
    for seed in range(SEEDS):
        octets = spoiled(CORPORA[protocol], seed)
        whole = drive([octets])
        assert drive(pieces(octets, seed)) == whole, f"seed {seed}"
        if len(octets) < 5000:
            assert drive(bytewise(octets)) == whole, f"seed {seed}"


@PROTOCOLS
def test_octets_of_every_kind_in_every_state(protocol: str) -> None:
    drive = DRIVERS[protocol]
    parts = st.sampled_from(TOKENS) | st.sampled_from(CORPORA[protocol]) | st.binary(max_size=30)

    @given(
        st.sampled_from(STARTS[protocol]), st.lists(parts, max_size=8).map(b"".join), st.integers(0, 2**32)
    )
    @settings(deadline=None, max_examples=200)
    def check(start: bytes, octets: bytes, seed: int) -> None:
        whole = drive([start + octets])
        assert drive(pieces(start + octets, seed)) == whole
        assert drive([start, *pieces(octets, seed + 1)]) == whole

    check()


@PROTOCOLS
@pytest.mark.parametrize("unit", [b"x", b"\0", b"\xff", b"\r", b"{5+}", b"a "], ids=repr)
def test_a_line_without_end_is_not_kept(protocol: str, unit: bytes) -> None:
    """32 MiB of it cost no more memory than the longest line, and the next line is read as ever."""
    drive, size = DRIVERS[protocol], 32 * 1024 * 1024
    for start in STARTS[protocol]:
        if b"DATA" in start:
            continue  # a message is handed on, not kept
        tracemalloc.start()
        block = unit * (65536 // len(unit))
        found = drive([start, *[block] * (size // len(block)), b"\r\nNOOP\r\nz NOOP\r\n"])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1024 * 1024
        assert len(found) < 10


@pytest.mark.parametrize("literal", [b"{%d+}", b"{%d}"])
def test_literals_that_nobody_wants(literal: bytes) -> None:
    """They are announced with any size, sent or not: nothing of one is kept or taken for a command."""
    drive = DRIVERS["imap"]
    for size in (0, 1, 65_537, 2_000_000, 2**31, 2**32, 2**63, 10**19):
        for start in (b"a x ", b"a SELECT ", b"a APPEND INBOX ", b"a LOGIN ", b"a APPEND "):
            sent = b"LOGOUT\r\n" * (min(size, 2_000_000) // 8)
            octets = b"l LOGIN x y\r\n%b%b\r\n" % (start, literal % size)
            found = drive([octets, sent if literal.endswith(b"+}") else b""])
            assert b"LOGOUT" not in [getattr(event, "name", b"") for event in found]
