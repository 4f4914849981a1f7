"""Searches: what the session's view can tell is answered from it, the rest becomes a SearchKey.

Sequence numbers, UIDs, flags and \\Recent are the session's own. A program made
of them needs no call; in any other they narrow the messages that the store
looks at, or stand in its tree as columns of UIDs and tests of flags.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from buuta.v1.message_pb2 import SearchKey
from services.common.errors import SyntaxFault
from services.imap.columns import packed
from services.imap.protocol.flags import FIRST_KEYWORD
from services.imap.protocol.search_key import (
    And,
    Flags,
    Header,
    Key,
    Keyword,
    Messages,
    ModSeq,
    Not,
    Or,
    Range,
    Recent,
    Text,
)
from services.imap.view import View

Mask = NDArray[np.bool_]
LOWEST = -(2**62)
LOCAL = (Messages, Flags, Keyword, Recent)


def is_local(key: Key) -> bool:
    """Whether the view alone can tell."""
    if isinstance(key, And | Or):
        return all(map(is_local, key.keys))
    return is_local(key.key) if isinstance(key, Not) else isinstance(key, LOCAL)


def split(key: Key) -> tuple[Key, Key | None]:
    """Two keys that must both be fulfilled: one for the view, one for the store."""
    if is_local(key):
        return key, None
    if not isinstance(key, And):
        return And(()), key
    local = tuple(one for one in key.keys if is_local(one))
    return And(local), And(tuple(one for one in key.keys if not is_local(one)))


def mask(view: View, key: Key) -> Mask:
    """Which messages of the view fulfil a local key."""
    if isinstance(key, And | Or):
        conjunction = isinstance(key, And)
        found = np.full(len(view.uids), conjunction)
        for one in key.keys:
            found = found & mask(view, one) if conjunction else found | mask(view, one)
        return found
    if isinstance(key, Not):
        return ~mask(view, key.key)
    if isinstance(key, Messages):
        return _among(view, view.resolve(key.messages, key.uid, strict=False))
    if isinstance(key, Recent):
        return view.is_recent(view.uids)
    if isinstance(key, Flags):
        return _has(view, key.bit)
    assert isinstance(key, Keyword)
    place = _keyword_place(view, key.name)
    return np.zeros(len(view.uids), dtype=bool) if place is None else _has(view, 1 << FIRST_KEYWORD + place)


def _has(view: View, bit: int) -> Mask:
    if bit > np.iinfo(view.flags.dtype).max:
        return np.zeros(len(view.uids), dtype=bool)
    return np.asarray(view.flags & view.flags.dtype.type(bit) != 0)


def _among(view: View, uids: NDArray[Any]) -> Mask:
    found = np.zeros(len(view.uids), dtype=bool)
    found[np.searchsorted(view.uids, uids)] = True
    return found


def _keyword_place(view: View, name: bytes) -> int | None:
    wanted = name.lower()
    return next((place for place, known in enumerate(view.keywords) if known.lower() == wanted), None)


def to_store(view: View, key: Key) -> SearchKey:
    """The key as the store evaluates it."""
    if isinstance(key, And):
        return _group([to_store(view, one) for one in key.keys])
    if isinstance(key, Or):
        return _named("or", SearchKey.Group(keys=[to_store(view, one) for one in key.keys]))
    if isinstance(key, Not):
        return _not(to_store(view, key.key))
    if isinstance(key, Flags):
        return SearchKey(flags=SearchKey.FlagTest(set=key.bit))
    if isinstance(key, Keyword):
        return SearchKey(flags=SearchKey.FlagTest(keyword_set=key.name.decode("ascii")))
    if isinstance(key, Messages | Recent):
        return SearchKey(uids=packed(view.uids[mask(view, key)]))
    if isinstance(key, ModSeq):
        return SearchKey(modseq=key.low)
    if isinstance(key, Range):
        return _range(key)
    if isinstance(key, Header):
        return SearchKey(header=SearchKey.Header(field=_utf8(key.field), value=_utf8(key.value)))
    assert isinstance(key, Text)
    return _named(key.place, _utf8(key.value))


def _range(key: Range) -> SearchKey:
    """0 as the end means none in the API: there the negation of "0 or more" stands."""
    low = LOWEST if key.low is None else key.low
    if key.high == 0:
        from_zero = _named(key.column, SearchKey.Range(min=0))
        return _group([_named(key.column, SearchKey.Range(min=low)), _not(from_zero)])
    return _named(key.column, SearchKey.Range(min=low, max=key.high or 0))


def _group(keys: list[SearchKey]) -> SearchKey:
    return _named("and", SearchKey.Group(keys=keys))


def _not(key: SearchKey) -> SearchKey:
    return _named("not", key)


def _named(field: str, value: Any) -> SearchKey:
    """Some fields are words of Python."""
    return SearchKey(**{field: value})


def _utf8(text: bytes) -> str:
    """US-ASCII is UTF-8, and clients send UTF-8 without saying so."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise SyntaxFault("The text is not in its charset") from None
