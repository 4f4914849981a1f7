"""Search keys that need octets of the message, read in bounded pieces.

BODY looks at the decoded text parts and the headers of encapsulated messages,
TEXT at the message header too. A match across two pieces is found: the end of
each stays before the next.
"""

from collections.abc import AsyncIterator

from buuta.v1.message_pb2 import SearchKey
from services.common.mime import Part, TextDecoder, decode_words
from services.common.mime.header import unfold
from services.store.search.source import Source
from services.store.search.summaries import contains, field_matches
from services.store.summary import Summary

PIECE = 256 * 1024
# A header block beyond this is not searched; the scanner keeps no more either.
MAX_HEADER = 256 * 1024


async def body_test(key: SearchKey, source: Source, uid: int, summary: Summary) -> bool:
    """`key` is BODY, TEXT, or a header key that the summary could not answer."""
    kind = key.WhichOneof("key")
    if kind == "header":
        return field_matches(await _header(source, uid, 0, summary.header_size), key)
    value = key.body if kind == "body" else key.text
    if not value:
        return True
    if kind == "text" and contains(await _header_text(source, uid, 0, summary.header_size), value):
        return True
    for part in summary.parts:
        if part.is_message:
            if contains(await _header_text(source, uid, part.body_start, part.text_start), value):
                return True
        elif part.content_type.startswith(b"TEXT/") and await _part_contains(source, uid, part, value):
            return True
    return False


async def _part_contains(source: Source, uid: int, part: Part, value: str) -> bool:
    wanted = value.casefold()
    before = ""
    async for text in _texts(source, uid, part):
        window = before + text.casefold()
        if wanted in window:
            return True
        before = window[max(0, len(window) - len(wanted) + 1) :]
    return False


async def _texts(source: Source, uid: int, part: Part) -> AsyncIterator[str]:
    decoder = TextDecoder(part.encoding, part.charset)
    for start in range(part.body_start, part.end, PIECE):
        octets = await source.octets(uid, start, min(start + PIECE, part.end))
        if not octets:
            break
        yield decoder.feed(octets)
    yield decoder.finish()


async def _header(source: Source, uid: int, start: int, end: int) -> bytes:
    return await source.octets(uid, start, min(end, start + MAX_HEADER)) if end > start else b""


async def _header_text(source: Source, uid: int, start: int, end: int) -> str:
    """The header in lines as people read them."""
    block = await _header(source, uid, start, end)
    lines = unfold(block).split(b"\n")
    return "\n".join([decode_words(line.rstrip(b"\r")) for line in lines])
