"""FETCH responses in bulk (RFC 3501 §7.4.2): one template for a list of items, filled row by row.

A batch is a mapping of items to columns: lists with a value per message, in
the same order. What a command asks for is compiled once; a message then costs
one formatting operation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from services.imap.protocol.section import Section

# The column of sequence numbers, beside those of the items.
NUMBER = b"#"
FORMATS = {
    b"UID": b"UID %d",
    b"FLAGS": b"FLAGS (%b)",
    b"MODSEQ": b"MODSEQ (%d)",
    b"RFC822.SIZE": b"RFC822.SIZE %d",
    b"INTERNALDATE": b'INTERNALDATE "%b"',
    b"ENVELOPE": b"ENVELOPE %b",
    b"BODY": b"BODY %b",
    b"BODYSTRUCTURE": b"BODYSTRUCTURE %b",
}

Batch = Mapping[Any, Sequence[Any]]


class Layout:
    """How the items of one command are written."""

    __slots__ = ("_columns", "_template")

    def __init__(self, items: Sequence[bytes | Section], closed: bool = True) -> None:
        """Not `closed`: sections follow, and CLOSE behind them (`body_response.py`)."""
        formats = [_format(item) for item in items]
        if not closed and items:
            formats.append(b"")
        self._template = b"* %d FETCH (" + b" ".join(formats) + (CLOSE if closed else b"")
        self._columns = (NUMBER, *items)

    def render(self, batch: Batch) -> list[bytes]:
        """A response for each message of the batch."""
        rows = zip(*[batch[column] for column in self._columns], strict=True)
        return list(map(self._template.__mod__, rows))


CLOSE = b")\r\n"


def _format(item: bytes | Section) -> bytes:
    if isinstance(item, bytes):
        return FORMATS[item]
    return item.label.replace(b"%", b"%%") + b" %b"


def literal(octets: bytes) -> bytes:
    """Octets of a section, as a value."""
    return b"{%d}\r\n%b" % (len(octets), char8(octets))


def char8(octets: bytes) -> bytes:
    """The same number of octets without NUL, which no literal may hold (RFC 3501 §4.3.1, §9).

    Mail with NUL is malformed (RFC 5322 §4) and comes all the same; 0x80 is in no text by itself either.
    """
    return octets.replace(b"\0", b"\x80") if b"\0" in octets else octets
