"""What a scan tells of a message (`Scan`) and of each of its parts (`Part`)."""

from typing import NamedTuple


class Part(NamedTuple):
    """Where the octets of one IMAP part number are (RFC 9051 §6.4.5.1).

    MIME is [header_start, body_start), the part itself [body_start, end). Of an
    encapsulated message (`is_message`) HEADER is [body_start, text_start) and
    TEXT [text_start, end). Types and encodings are in upper case.
    """

    number: tuple[int, ...]
    header_start: int
    body_start: int
    end: int
    content_type: bytes
    encoding: bytes
    charset: bytes
    is_message: bool = False
    text_start: int = 0


class Scan(NamedTuple):
    """What is known of a message. `header` is its block with the empty line, cut at MAX_HEADER."""

    size: int
    envelope: bytes
    body_structure: bytes
    header: bytes
    header_size: int
    fields: list[tuple[bytes, bytes]]  # of `header`: octets with their line ends, name as written
    message_id: bytes
    date: int | None  # days since 1970-01-01 of the Date field
    preview: bytes
    parts: tuple[Part, ...]
    pure_7bit: bool  # neither 8-bit octets nor NUL
