"""Which octets of a message a FETCH section names, from the part table alone (RFC 9051 §6.4.5.1)."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

from services.common.mime.scan import Part


class Section(IntEnum):
    """Numbered as BodySection.Kind of the API."""

    WHOLE = 0  # the message, or the body of the part
    HEADER = 1
    TEXT = 2
    MIME = 3
    HEADER_FIELDS = 4  # the range is that of HEADER: the caller selects
    HEADER_FIELDS_NOT = 5


class Scanned(Protocol):
    """What a `Scan` and a summary both have."""

    @property
    def size(self) -> int: ...
    @property
    def header_size(self) -> int: ...
    @property
    def parts(self) -> Sequence[Part]: ...


def section_range(scanned: Scanned, number: Sequence[int], kind: int) -> tuple[int, int] | None:
    """[start, end) of the section; None if there is no such part (NIL to the client)."""
    if not number:
        return _of_message(scanned, kind)
    wanted = tuple(number)
    part = next((part for part in scanned.parts if part.number == wanted), None)
    if part is None:
        return None
    if kind == Section.WHOLE:
        return part.body_start, part.end
    if kind == Section.MIME:
        return part.header_start, part.body_start
    if not part.is_message:
        return None
    if kind == Section.TEXT:
        return part.text_start, part.end
    return part.body_start, part.text_start


def _of_message(scanned: Scanned, kind: int) -> tuple[int, int] | None:
    if kind == Section.WHOLE:
        return 0, scanned.size
    if kind == Section.TEXT:
        return scanned.header_size, scanned.size
    if kind == Section.MIME:
        return None
    return 0, scanned.header_size
