"""Search keys that need octets of the message, read in bounded pieces.

BODY looks at the decoded text parts and the headers of encapsulated messages,
TEXT at the message header too. A match across two pieces is found: the end of
each stays before the next.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from buuta.v1.message_pb2 import SearchKey
from services.common.mime import Part, TextDecoder
from services.store.search.message import Message
from services.store.search.summaries import Test

PIECE = 256 * 1024


def _body(key: SearchKey) -> Test:
    wanted = key.body.casefold()

    async def test(message: Message) -> bool:
        return not wanted or await _body_contains(message, wanted)

    return test


def _text(key: SearchKey) -> Test:
    wanted = key.text.casefold()

    async def test(message: Message) -> bool:
        return not wanted or wanted in await message.text() or await _body_contains(message, wanted)

    return test


async def _body_contains(message: Message, wanted: str) -> bool:
    for part in message.summary.parts:
        if part.is_message:
            if wanted in await message.header_text(part.body_start, part.text_start):
                return True
        elif part.content_type.startswith(b"TEXT/") and await _part_contains(message, part, wanted):
            return True
    return False


async def _part_contains(message: Message, part: Part, wanted: str) -> bool:
    before = ""
    async with aclosing(_texts(message, part)) as texts:
        async for text in texts:
            window = before + text.casefold()
            if wanted in window:
                return True
            before = window[max(0, len(window) - len(wanted) + 1) :]
            await message.pace.turn()
    return False


async def _texts(message: Message, part: Part) -> AsyncGenerator[str, None]:
    decoder = TextDecoder(part.encoding, part.charset)
    for start in range(part.body_start, part.end, PIECE):
        octets = await message.octets(start, min(start + PIECE, part.end))
        if not octets:
            break
        yield decoder.feed(octets)
    yield decoder.finish()


BODY_KEYS: dict[str, Callable[[SearchKey], Test]] = {"body": _body, "text": _text}
