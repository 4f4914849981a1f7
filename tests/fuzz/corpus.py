"""What is fuzzed with: the client's side of every dialogue, and seeded ways to spoil it.

A case is named by its seed and comes out the same everywhere, so that a failure
can be played again.
"""

import random
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from tests.dialogue import octets, parse

TESTS = Path(__file__).parents[1]
# Pieces that parsers give a meaning to; put in anywhere.
TOKENS = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"  ", b"\t", b"\x80", b"\xff\xfe", b"\xc3\xa9", b"=", b"*", b"%"),
    *(
        b"(",
        b")",
        b"()",
        b"[",
        b"]",
        b"<",
        b">",
        b'"',
        b"\\",
        b'\\"',
        b"{",
        b"}",
        b"&",
        b"&-",
        b"@",
        b":",
        b",",
    ),
    *(b"{5}\r\n", b"{5+}\r\n", b"{0+}\r\n", b"{99999999999999999999+}\r\n", b"{70000}\r\n", b"~{3}\r\n"),
    *(b"\r\n.\r\n", b"\r\n..", b".", b"-1", b"0", b"4294967296", b"18446744073709551616", b"1:*,2", b"NIL"),
    *(b"UID ", b"NOT ", b"<>", b" SIZE=", b"BODY[", b".MIME]", b"<0.1>", b"\r\nNOOP\r\n", b"x" * 300),
]


def conversations(protocol: str, variables: Mapping[str, str]) -> list[bytes]:
    """What each connection of each dialogue of a protocol sends."""
    known = defaultdict(lambda: "1", variables)
    found = []
    for path in sorted((TESTS / protocol / "dialogues").rglob("*.txt")):
        said: dict[int, bytes] = defaultdict(bytes)
        for step in parse(path):
            if step.verb == "C":
                said[step.connection] += octets(step, known)
        found += said.values()
    return found


def spoiled(corpus: list[bytes], seed: int) -> bytes:
    """One of the conversations with some of its octets changed."""
    chance = random.Random(seed)
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(data))
        end = min(len(data), at + chance.choice([1, 1, 2, 5, 40]))
        match chance.randrange(6):
            case 0:
                data[at:at] = chance.choice(TOKENS)
            case 1:
                data[at:end] = chance.choice(TOKENS)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end] * chance.randint(1, 30)
            case 4:
                data[at:end] = chance.randbytes(end - at)
            case _:
                other = chance.choice(corpus)
                data[at:end] = other[chance.randint(0, len(other)) :][:200]
    if chance.random() < 0.2:
        del data[chance.randint(0, len(data)) :]
    return bytes(data)


def pieces(data: bytes, seed: int) -> list[bytes]:
    """The octets cut at seeded places: few long pieces or many short ones."""
    chance = random.Random(seed)
    count = chance.choice([1, 3, 10, 60])
    places = sorted(chance.randint(0, len(data)) for _ in range(count))
    return [data[start:end] for start, end in pairwise([0, *places, len(data)]) if start < end]


def bytewise(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]
