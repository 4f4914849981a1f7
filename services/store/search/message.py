"""One message as text keys see it.

However many keys look at it, each thing that they look at is read, decoded and
folded (case does not matter to a search) once. It lives as long as its message
is searched, so what it keeps is bounded by one message's header and MAX_KEPT.
"""

from collections.abc import Iterable
from functools import cached_property

from services.common.mime import decode_words, iterate_fields, parse
from services.common.mime.header import unfold
from services.common.mime.wire import Value
from services.store.search.pace import Pace
from services.store.search.source import Source
from services.store.summary import Summary

# A header block beyond this is not searched; the scanner keeps no more either.
MAX_HEADER = 256 * 1024
# Octets of bodies and headers that stay for the next key.
MAX_KEPT = 1024 * 1024
LINES = 256  # of a header before others get their turn

SUBJECT, FROM, TO, CC, BCC = 1, 2, 5, 6, 7  # members of ENVELOPE (RFC 9051 §7.5.2)


class Message:
    """All texts are folded."""

    def __init__(self, uid: int, summary: Summary, source: Source, pace: Pace) -> None:
        self.summary, self.pace = summary, pace
        self._uid, self._source = uid, source
        self._addresses: dict[int, str] = {}
        self._values: dict[bytes, list[str]] = {}
        self._octets: dict[tuple[int, int], bytes] = {}
        self._kept = 0
        self._text: str | None = None

    @cached_property
    def subject(self) -> str:
        return _folded(self._member(SUBJECT))

    def addresses(self, member: int) -> str:
        """The list as people write it: `Name <mailbox@host>, …`; a group's name stands alone."""
        known = self._addresses.get(member)
        if known is None:
            addresses = self._member(member)
            known = ", ".join(_written(addresses)) if isinstance(addresses, list) else ""
            self._addresses[member] = known
        return known

    async def values(self, name: bytes) -> list[str]:
        """What the header's fields of this name (in lower case) say: from the summary, if it can tell."""
        known = self._values.get(name)
        if known is None:
            block = self.summary.header_fields([name])
            if block is None:
                block = await self.octets(0, min(self.summary.header_size, MAX_HEADER))
            known = [
                _folded(unfold(field.partition(b":")[2]))
                for found, field in iterate_fields(block)
                if found == name
            ]
            self._values[name] = known
        return known

    async def text(self) -> str:
        """The message's header."""
        if self._text is None:
            self._text = await self.header_text(0, self.summary.header_size)
        return self._text

    async def header_text(self, start: int, end: int) -> str:
        """A header in lines as people read them."""
        block = await self.octets(start, min(end, start + MAX_HEADER))
        lines = unfold(block).split(b"\n")
        texts: list[str] = []
        for at in range(0, len(lines), LINES):
            texts += [_folded(line.rstrip(b"\r")) for line in lines[at : at + LINES]]
            await self.pace.turn()
        return "\n".join(texts)

    async def octets(self, start: int, end: int) -> bytes:
        """[start, end) of the message, at most PIECE octets."""
        known = self._octets.get((start, end)) if start < end else b""
        if known is None:
            known = await self._source.octets(self._uid, start, end)
            if self._kept + len(known) <= MAX_KEPT:
                self._octets[start, end] = known
                self._kept += len(known)
        return known

    @cached_property
    def _envelope(self) -> list[Value]:
        value = parse(self.summary.envelope)
        return value if isinstance(value, list) else []

    def _member(self, index: int) -> Value:
        return self._envelope[index] if index < len(self._envelope) else None


def _folded(value: Value) -> str:
    return decode_words(value).casefold() if isinstance(value, bytes) else ""


def _written(addresses: Iterable[Value]) -> Iterable[str]:
    for address in addresses:
        if not isinstance(address, list) or len(address) != 4:
            continue
        name, _, mailbox, host = (_folded(part) for part in address)
        spec = f"{mailbox}@{host}" if host else mailbox
        yield f"{name} <{spec}>" if name else spec
