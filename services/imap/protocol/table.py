"""Every command: how it is parsed and in which states it may come.

`parse` gets a lexer that stands right behind the command's name. Commands of
the second table may have UID in front and are told whether they had.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.imap.protocol.commands import (
    append,
    authenticate,
    capability,
    check,
    close,
    copy,
    create,
    delete,
    enable,
    expunge,
    fetch,
    id,
    idle,
    list,
    login,
    logout,
    move,
    namespace,
    noop,
    rename,
    search,
    select,
    starttls,
    status,
    store,
    subscribe,
    unselect,
    unsubscribe,
)
from services.imap.protocol.state import ANY, AUTHENTICATED, NOT_AUTHENTICATED, SELECTED, State


@dataclass(frozen=True, slots=True)
class Row:
    parse: Callable[..., Any]
    states: frozenset[State]


COMMANDS: dict[bytes, Row] = {
    b"CAPABILITY": Row(capability.parse, ANY),
    b"NOOP": Row(noop.parse, ANY),
    b"LOGOUT": Row(logout.parse, ANY),
    b"ID": Row(id.parse, ANY),
    b"STARTTLS": Row(starttls.parse, NOT_AUTHENTICATED),
    b"AUTHENTICATE": Row(authenticate.parse, NOT_AUTHENTICATED),
    b"LOGIN": Row(login.parse, NOT_AUTHENTICATED),
    b"ENABLE": Row(enable.parse, AUTHENTICATED),
    b"SELECT": Row(select.parse, AUTHENTICATED),
    b"EXAMINE": Row(select.parse_examine, AUTHENTICATED),
    b"CREATE": Row(create.parse, AUTHENTICATED),
    b"DELETE": Row(delete.parse, AUTHENTICATED),
    b"RENAME": Row(rename.parse, AUTHENTICATED),
    b"SUBSCRIBE": Row(subscribe.parse, AUTHENTICATED),
    b"UNSUBSCRIBE": Row(unsubscribe.parse, AUTHENTICATED),
    b"LIST": Row(list.parse, AUTHENTICATED),
    b"LSUB": Row(list.parse_lsub, AUTHENTICATED),
    b"STATUS": Row(status.parse, AUTHENTICATED),
    b"NAMESPACE": Row(namespace.parse, AUTHENTICATED),
    b"APPEND": Row(append.parse, AUTHENTICATED),
    b"IDLE": Row(idle.parse, AUTHENTICATED),
    b"CHECK": Row(check.parse, SELECTED),
    b"CLOSE": Row(close.parse, SELECTED),
    b"UNSELECT": Row(unselect.parse, SELECTED),
}
# With "UID " in front, or without.
MESSAGE_COMMANDS: dict[bytes, Row] = {
    b"FETCH": Row(fetch.parse, SELECTED),
    b"SEARCH": Row(search.parse, SELECTED),
    b"STORE": Row(store.parse, SELECTED),
    b"COPY": Row(copy.parse, SELECTED),
    b"MOVE": Row(move.parse, SELECTED),
    b"EXPUNGE": Row(expunge.parse, SELECTED),
}
