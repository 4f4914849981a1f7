"""The message scanner and what is rendered from it: structure, envelope, header fields, part offsets.

Sans-IO and incremental; nothing here raises, whatever the octets are. The
store scans each message once at delivery and keeps the result as a summary;
front ends use the small helpers (`body_from_structure`, `select_fields`).
"""

from services.common.mime.header import decode_words, iterate_fields, select_fields
from services.common.mime.scan import Part, Scan
from services.common.mime.scanner import Scanner, scan_message
from services.common.mime.sections import Section, section_range
from services.common.mime.text import TextDecoder, decoded_text
from services.common.mime.wire import body_from_structure, nstring, parse, quote

__all__ = [
    "Part",
    "Scan",
    "Scanner",
    "Section",
    "TextDecoder",
    "body_from_structure",
    "decode_words",
    "decoded_text",
    "iterate_fields",
    "nstring",
    "parse",
    "quote",
    "scan_message",
    "section_range",
    "select_fields",
]
