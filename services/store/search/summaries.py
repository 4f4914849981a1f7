"""Search keys that a message's summary decides: envelope, sent date, header fields."""

from collections.abc import Callable, Iterable
from functools import lru_cache

from buuta.v1.message_pb2 import SearchKey
from services.common.mime import decode_words, iterate_fields, parse
from services.common.mime.header import unfold
from services.common.mime.wire import Value
from services.store.summary import Summary

# Members of ENVELOPE (RFC 9051 §7.5.2).
_SUBJECT, _FROM, _TO, _CC, _BCC = 1, 2, 5, 6, 7


def contains(text: str, value: str) -> bool:
    """Substring without regard to case."""
    return value.casefold() in text.casefold()


def summary_test(key: SearchKey, summary: Summary) -> bool | None:
    """Whether the message matches; None if only its header can tell. `key` is one of SUMMARY_KEYS."""
    return SUMMARY_KEYS[str(key.WhichOneof("key"))](key, summary)


def _sent_date(key: SearchKey, summary: Summary) -> bool:
    wanted, day = key.sent_date, summary.date
    return day is not None and day >= wanted.min and (day < wanted.max or not wanted.max)


def _header(key: SearchKey, summary: Summary) -> bool | None:
    fields = summary.header_fields([key.header.field.encode()], False)
    return None if fields is None else field_matches(fields, key)


def field_matches(header: bytes, key: SearchKey) -> bool:
    """Whether a header block has the field with the value in it."""
    name = key.header.field.encode().lower()
    return any(
        contains(decode_words(unfold(field.partition(b":")[2])), key.header.value)
        for found, field in iterate_fields(header)
        if found == name
    )


def _subject(key: SearchKey, summary: Summary) -> bool:
    subject = _member(summary.envelope, _SUBJECT)
    return contains(decode_words(subject) if isinstance(subject, bytes) else "", key.subject)


def _from(key: SearchKey, summary: Summary) -> bool:
    return contains(_addresses(summary.envelope, _FROM), getattr(key, "from"))


def _to(key: SearchKey, summary: Summary) -> bool:
    return contains(_addresses(summary.envelope, _TO), key.to)


def _cc(key: SearchKey, summary: Summary) -> bool:
    return contains(_addresses(summary.envelope, _CC), key.cc)


def _bcc(key: SearchKey, summary: Summary) -> bool:
    return contains(_addresses(summary.envelope, _BCC), key.bcc)


@lru_cache(8)  # several keys look at the same message one after another
def _envelope(envelope: bytes) -> list[Value]:
    value = parse(envelope)
    return value if isinstance(value, list) else []


def _member(envelope: bytes, index: int) -> Value:
    members = _envelope(envelope)
    return members[index] if index < len(members) else None


def _addresses(envelope: bytes, index: int) -> str:
    """The list as people write it: `Name <mailbox@host>, …`; a group's name stands alone."""
    addresses = _member(envelope, index)
    return ", ".join(_written(addresses)) if isinstance(addresses, list) else ""


def _written(addresses: Iterable[Value]) -> Iterable[str]:
    for address in addresses:
        if not isinstance(address, list) or len(address) != 4:
            continue
        name, _, mailbox, host = (decode_words(part) if isinstance(part, bytes) else None for part in address)
        spec = f"{mailbox}@{host}" if host else mailbox or ""
        yield f"{name} <{spec}>" if name else spec


SUMMARY_KEYS: dict[str, Callable[[SearchKey, Summary], bool | None]] = {
    "sent_date": _sent_date,
    "header": _header,
    "from": _from,
    "to": _to,
    "cc": _cc,
    "bcc": _bcc,
    "subject": _subject,
}
