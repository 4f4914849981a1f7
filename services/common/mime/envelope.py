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
_DATE = re.compile(rb"(?:^|[\s,)])([0-9]{1,2})[\s-]+([A-Za-z]{3})[A-Za-z]*[\s-]+([0-9]{2,4})(?![0-9])").search
# What nearly all fields begin with, found without a search.
_USUAL_DATE = re.compile(rb"\s*+(?:[A-Za-z]{3},[ ])?([0-9]{1,2})[ ]([A-Za-z]{3})[ ]([0-9]{4})[ ]").match

EMPTY = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def envelope(fields: Mapping[bytes, bytes]) -> bytes:
    """The wire form from raw values by lower-case name."""
    get = fields.get
    senders = address_list(get(b"from"))
    sender = address_list(get(b"sender"))
    reply_to = address_list(get(b"reply-to"))
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        string_wire(get(b"date")),
        string_wire(get(b"subject")),
        senders,
        senders if sender == NIL else sender,
        senders if reply_to == NIL else reply_to,
        address_list(get(b"to")),
        address_list(get(b"cc")),
        address_list(get(b"bcc")),
        string_wire(get(b"in-reply-to")),
        string_wire(get(b"message-id")),
    )


def string_wire(value: bytes | None) -> bytes:
    """The nstring of an unstructured field."""
    return NIL if value is None else quote(unfold(value[:MAX_FIELD]))


def sent_date(value: bytes | None) -> int | None:
    """Days since 1970-01-01 of the Date field, disregarding time and zone; None if it cannot be read."""
    if value is None:
        return None
    value = value[:MAX_FIELD]
    match = _USUAL_DATE(value) or _DATE(value)
    if match is None:
        return None
    day, month, digits = match.groups()
    year = int(digits)
    if len(digits) < 4:  # obs-year (RFC 5322 §4.3)
        year += 2000 if year < 50 else 1900
    try:
        return date(year, _MONTHS[month.lower()], int(day)).toordinal() - _EPOCH
    except (KeyError, ValueError):
        return None
