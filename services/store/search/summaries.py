"""Search keys that a message's summary decides, mostly: envelope, sent date, header fields.

A test is made once for a search, with its text already folded, and is asked about every message.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from buuta.v1.message_pb2 import SearchKey
from services.store.search.message import BCC, CC, FROM, TO, Message

Test: TypeAlias = Callable[[Message], Awaitable[bool]]


def _sent_date(key: SearchKey) -> Test:
    first, end = key.sent_date.min, key.sent_date.max

    async def test(message: Message) -> bool:
        day = message.summary.date
        return day is not None and day >= first and (day < end or not end)

    return test


def _header(key: SearchKey) -> Test:
    """The field with the text in it; where the summary cannot tell, the message's header is read."""
    name, text = key.header.field.encode().lower(), key.header.value.casefold()

    async def test(message: Message) -> bool:
        return any(text in value for value in await message.values(name))

    return test


def _subject(key: SearchKey) -> Test:
    text = key.subject.casefold()

    async def test(message: Message) -> bool:
        return text in message.subject

    return test


def _addresses(name: str, member: int) -> Callable[[SearchKey], Test]:
    def make(key: SearchKey) -> Test:
        text = getattr(key, name).casefold()

        async def test(message: Message) -> bool:
            return text in message.addresses(member)

        return test

    return make


SUMMARY_KEYS: dict[str, Callable[[SearchKey], Test]] = {
    "sent_date": _sent_date,
    "header": _header,
    "from": _addresses("from", FROM),
    "to": _addresses("to", TO),
    "cc": _addresses("cc", CC),
    "bcc": _addresses("bcc", BCC),
    "subject": _subject,
}
