"""Which names LIST and LSUB answer with, and with which attributes (RFC 3501 §6.3.8, §6.3.9).

In a pattern "*" matches anything and "%" anything but "/". All is worked out
from the account's whole list of names, which comes in one read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.imap.protocol.lexer import normal_mailbox


@dataclass(frozen=True, slots=True)
class Name:
    """A name of an account, with what its answer says of it."""

    name: str
    exists: bool = True  # not only subscribed to
    selectable: bool = True
    subscribed: bool = False
    use: bytes = b""  # the attribute of its special use
    children: bool = False

    @property
    def attributes(self) -> list[bytes]:
        found = [] if self.selectable else [b"\\Noselect"]
        found.append(b"\\HasChildren" if self.children else b"\\HasNoChildren")
        if self.use:
            found.append(self.use)
        return found


@dataclass(frozen=True, slots=True)
class Subscription:
    """A name for LSUB."""

    name: str
    attributes: tuple[bytes, ...] = ()


def matches(pattern: str, name: str) -> bool:
    """Whether a name is one that the pattern stands for.

    Bit n of `reached` says that the pattern so far can end before the name's octet n, so the time is
    that of pattern times name whatever the pattern is.
    """
    places: dict[str, int] = {}
    for place, letter in enumerate(name):
        places[letter] = places.get(letter, 0) | 1 << place
    everywhere = (1 << len(name)) - 1
    level = everywhere & ~places.get("/", 0)
    reached = 1
    for letter in pattern:
        if letter == "*":
            reached = _onward(reached, everywhere)
        elif letter == "%":
            reached = _onward(reached, level)
        else:
            reached = (reached & places.get(letter, 0)) << 1
        if not reached:
            return False
    return bool(reached >> len(name))


def _onward(reached: int, through: int) -> int:
    """Also every place that is reached by going on through octets of a set: the carry of an addition."""
    return ((reached & through) + through) ^ through | reached


def listed(names: Sequence[Name], pattern: str) -> Iterator[Name]:
    """The existing names that match."""
    pattern = normal_mailbox(pattern)
    existing = [name for name in names if name.exists]
    parents = {parent for name in existing for parent in _levels_above(name.name)}
    for name in existing:
        if _matches(pattern, name.name):
            yield Name(name.name, True, name.selectable, name.subscribed, name.use, name.name in parents)


def subscribed(names: Sequence[Name], pattern: str) -> Iterator[Subscription]:
    """The subscribed names that match; a level above one that does not, as \\Noselect.

    So RFC 3501 §6.3.9: with "%" at the end, "a" is told when only "a/b" is subscribed to.
    """
    pattern = normal_mailbox(pattern)
    told = {name.name for name in names if name.subscribed}
    answers = {name: Subscription(name) for name in told if _matches(pattern, name)}
    if pattern.endswith("%"):
        for name in told:
            for parent in _levels_above(name):
                if parent not in told and _matches(pattern, parent):
                    answers[parent] = Subscription(parent, (b"\\Noselect",))
    for name in sorted(answers):
        yield answers[name]


def _matches(pattern: str, name: str) -> bool:
    """INBOX has no case (RFC 3501 §5.1), also where a pattern stands for a part of it."""
    return matches(pattern, name) or (name == "INBOX" and matches(pattern.upper(), name))


def _levels_above(name: str) -> Iterator[str]:
    end = name.rfind("/")
    while end > 0:
        yield name[:end]
        end = name.rfind("/", 0, end)
