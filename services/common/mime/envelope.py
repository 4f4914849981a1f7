"""ENVELOPE from header fields, and the sent date by its own date (RFC 9051 §7.5.2, RFC 5322 §3.3)."""

import re
from collections.abc import Mapping
from datetime import date

from services.common.mime.address import MAX_FIELD, address_list
from services.common.mime.header import unfold
from services.common.mime.wire import NIL, quote

_EPOCH = date(1970, 1, 1).toordinal()
_MONTHS = {
    name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
# date = day month year; the day of the week and the time do not matter here.
_DATE = re.compile(rb"(?:^|[\s,)])([0-9]{1,2})[\s-]+([A-Za-z]{3})[A-Za-z]*[\s-]+([0-9]{2,4})(?![0-9])")

EMPTY = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def envelope(fields: Mapping[bytes, bytes]) -> bytes:
    """The wire form from raw values by lower-case name."""
    get = fields.get
    sender_of_all = _addresses(get(b"from"))
    sender = _addresses(get(b"sender"))
    reply_to = _addresses(get(b"reply-to"))
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        _string(get(b"date")),
        _string(get(b"subject")),
        sender_of_all,
        sender_of_all if sender == NIL else sender,
        sender_of_all if reply_to == NIL else reply_to,
        _addresses(get(b"to")),
        _addresses(get(b"cc")),
        _addresses(get(b"bcc")),
        _string(get(b"in-reply-to")),
        _string(get(b"message-id")),
    )


def _string(value: bytes | None) -> bytes:
    return NIL if value is None else quote(unfold(value[:MAX_FIELD]))


def _addresses(value: bytes | None) -> bytes:
    return NIL if value is None else address_list(value[:MAX_FIELD])


def sent_date(value: bytes | None) -> int | None:
    """Days since 1970-01-01 of the Date field, disregarding time and zone; None if it cannot be read."""
    match = _DATE.search(value[:MAX_FIELD]) if value is not None else None
    if match is None:
        return None
    year = int(match[3])
    if len(match[3]) < 4:  # obs-year (RFC 5322 §4.3)
        year += 2000 if year < 50 else 1900
    try:
        return date(year, _MONTHS[match[2].lower()], int(match[1])).toordinal() - _EPOCH
    except (KeyError, ValueError):
        return None
