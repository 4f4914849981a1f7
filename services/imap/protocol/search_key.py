"""Search programs as trees (RFC 3501 §6.4.4): what `commands/search.py` parses into.

The tree knows nothing of messages. `services/imap/search_plan.py` answers from
a session's view what the view can tell, and asks the store for the rest.
"""

from dataclasses import dataclass

from services.imap.protocol.sequence_set import SequenceSet


@dataclass(frozen=True, slots=True)
class And:
    keys: tuple["Key", ...]  # none: every message


@dataclass(frozen=True, slots=True)
class Or:
    keys: tuple["Key", ...]


@dataclass(frozen=True, slots=True)
class Not:
    key: "Key"


@dataclass(frozen=True, slots=True)
class Messages:
    messages: SequenceSet
    uid: bool


@dataclass(frozen=True, slots=True)
class Flags:
    """A system flag, by its bit."""

    bit: int


@dataclass(frozen=True, slots=True)
class Keyword:
    name: bytes


@dataclass(frozen=True, slots=True)
class Recent:
    pass


@dataclass(frozen=True, slots=True)
class Range:
    """A number or day of each message: `low` is in, `high` is out; None: without end."""

    column: str  # size, internal_date, sent_date
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class ModSeq:
    low: int


@dataclass(frozen=True, slots=True)
class Header:
    field: bytes
    value: bytes  # in the charset of the command; empty: the field is there


@dataclass(frozen=True, slots=True)
class Text:
    place: str  # from, to, cc, bcc, subject, body, text
    value: bytes  # in the charset of the command


Key = And | Or | Not | Messages | Flags | Keyword | Recent | Range | ModSeq | Header | Text
ALL = And(())


def both(keys: list[Key]) -> Key:
    """All of the keys; groups inside are made one with it."""
    flat: list[Key] = []
    for key in keys:
        flat += key.keys if isinstance(key, And) else [key]
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def either(first: Key, second: Key) -> Key:
    """Clients chain OR for long lists: the chain is made flat."""
    flat: list[Key] = []
    for key in (first, second):
        flat += key.keys if isinstance(key, Or) else [key]
    return Or(tuple(flat))


def depth(key: Key) -> int:
    if isinstance(key, And | Or):
        return 1 + max(map(depth, key.keys), default=0)
    return 1 + depth(key.key) if isinstance(key, Not) else 1


def asks_modseq(key: Key) -> bool:
    if isinstance(key, And | Or):
        return any(map(asks_modseq, key.keys))
    return asks_modseq(key.key) if isinstance(key, Not) else isinstance(key, ModSeq)
