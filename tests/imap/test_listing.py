"""LIST and LSUB: patterns, children, the levels above a subscription."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.imap.protocol.listing import Name, listed, matches, subscribed

NAMES = [
    Name("INBOX", subscribed=True),
    Name("INBOX/a"),
    Name("Lists", selectable=False),
    Name("Lists/x", subscribed=True),
    Name("Lists/x/y", subscribed=True),
    Name("Sent", use=b"\\Sent", subscribed=True),
    Name("gone/z", exists=False, selectable=False, subscribed=True),
]


def names(pattern: str) -> list[str]:
    return [name.name for name in listed(NAMES, pattern)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["INBOX", "INBOX/a", "Lists", "Lists/x", "Lists/x/y", "Sent"]),
        ("%", ["INBOX", "Lists", "Sent"]),
        ("inbox", ["INBOX"]),
        ("inb%", ["INBOX"]),
        ("inbox/%", ["INBOX/a"]),
        ("Lists/%", ["Lists/x"]),
        ("Lists/*", ["Lists/x", "Lists/x/y"]),
        ("%/%/%", ["Lists/x/y"]),
        ("L*y", ["Lists/x/y"]),
        ("sent", []),
        ("gone/z", []),
    ],
)
def test_patterns(pattern: str, expected: list[str]) -> None:
    assert names(pattern) == expected


def test_attributes() -> None:
    found = {name.name: name.attributes for name in listed(NAMES, "*")}
    assert found["INBOX"] == [b"\\HasChildren"]
    assert found["Lists"] == [b"\\Noselect", b"\\HasChildren"]
    assert found["Lists/x/y"] == [b"\\HasNoChildren"]
    assert found["Sent"] == [b"\\HasNoChildren", b"\\Sent"]


def test_lsub_tells_levels_above_with_percent() -> None:
    found = {name.name: name.attributes for name in subscribed(NAMES, "%")}
    assert found == {
        "INBOX": (),
        "Lists": (b"\\Noselect",),
        "Sent": (),
        "gone": (b"\\Noselect",),
    }
    assert [name.name for name in subscribed(NAMES, "*")] == [
        "INBOX",
        "Lists/x",
        "Lists/x/y",
        "Sent",
        "gone/z",
    ]


@given(st.text("ab/*%", max_size=12), st.text("ab/", max_size=12))
def test_matches_is_its_definition(pattern: str, name: str) -> None:
    parts = re.split("([*%])", pattern)
    regex = "".join({"*": ".*", "%": "[^/]*"}.get(part) or re.escape(part) for part in parts)
    assert matches(pattern, name) == (re.fullmatch(regex, name) is not None)


def test_no_pattern_is_slow() -> None:
    assert not matches("%a" * 500 + "b", "a" * 1000)
