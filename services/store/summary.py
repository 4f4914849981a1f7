"""Summaries: what mail clients list of a message, in about 300 octets beside the index.

A record is: dictionary number, version, zstd frame. Both are fixed for ever
once records are stored under them; a new dictionary or a longer list of header
fields is a new number or version, and old records stay readable. `decode_wire`
answers ENVELOPE and BODYSTRUCTURE without looking at the rest. The compression
contexts are reused, so a module belongs to one thread.
"""

import struct
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from zlib import crc32

import zstandard

from services.common.mime import Part, Scan, iterate_fields
from services.store.summary_parts import pack_parts, unpack_parts

DICTIONARY = 1  # summary1.dict
VERSION = 1  # of the scanner, the layout and the list below

# What mail programs ask for in their lists (RFC 9051 §6.4.5.1 HEADER.FIELDS). Version 1; never changed.
_FIELD_NAMES = b"""
from to cc bcc subject date message-id in-reply-to references reply-to sender newsgroups lines
priority x-priority x-msmail-priority importance precedence auto-submitted
content-type content-transfer-encoding content-language content-disposition content-description content-id
mime-version list-id list-post list-unsubscribe list-unsubscribe-post list-subscribe list-help
mail-followup-to mail-reply-to disposition-notification-to return-receipt-to return-path
resent-from resent-to resent-date x-label x-original-to x-draft-info
x-uniform-type-identifier x-universally-unique-identifier
"""
FIELDS = frozenset(_FIELD_NAMES.split())
# A longer field is not kept; whoever asks for it reads the header.
MAX_FIELD = 4 * 1024

# flags, octets of envelope, structure, fields, preview, number of names, message size, header size, days.
_NARROW = struct.Struct("<BHHHHBIIi")
_WIDE = struct.Struct("<BIIIIBIIi")
_IS_WIDE, _PURE_7BIT, _HAS_DATE, _ALL_NAMES, _OMITTED = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class Summary:
    """`headers` are the kept fields as they stand; `other_names` hashes of the names of all others.

    `omitted`: a field of the list was too long to be kept, so its hash is among the others.
    """

    envelope: bytes
    body_structure: bytes
    preview: bytes
    headers: bytes
    other_names: frozenset[int]
    packed_parts: bytes
    size: int
    header_size: int
    date: int | None  # days since 1970-01-01 of the Date field
    pure_7bit: bool
    omitted: bool = False

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return unpack_parts(self.packed_parts)

    def header_fields(self, names: list[bytes], except_: bool = False) -> bytes | None:
        """BODY[HEADER.FIELDS (…)] octet by octet; None where only the message can tell."""
        wanted = {name.lower() for name in names}
        if except_:
            if self.other_names:
                return None
        elif any(
            name_hash(name) in self.other_names for name in wanted if self.omitted or name not in FIELDS
        ):
            return None
        fields = [field for name, field in iterate_fields(self.headers) if (name in wanted) != except_]
        return b"".join([*fields, b"\r\n"])


def name_hash(name: bytes) -> int:
    """One octet for a field name. That two names share it costs a read of the header, no more."""
    return crc32(name.lower()) & 0xFF


def encode_summary(scan: Scan) -> bytes:
    return bytes((DICTIONARY, VERSION)) + _compressor().compress(pack_record(scan))


def pack_record(scan: Scan) -> bytes:
    """The record before compression."""
    headers, names, omitted = _sort_fields(scan)
    table = pack_parts(scan.parts)
    flags = _PURE_7BIT * scan.pure_7bit | _HAS_DATE * (scan.date is not None) | _OMITTED * omitted
    sections = (scan.envelope, scan.body_structure, headers, scan.preview)
    lengths = [len(section) for section in sections]
    layout = _NARROW
    if max(lengths) > 0xFFFF:
        layout, flags = _WIDE, flags | _IS_WIDE
    if len(names) > 0xFF:
        names, flags = set(), flags | _ALL_NAMES
    head = layout.pack(
        flags, *lengths, len(names), min(scan.size, 0xFFFFFFFF), scan.header_size, scan.date or 0
    )
    return b"".join((head, *sections, bytes(sorted(names)), table))


def _sort_fields(scan: Scan) -> tuple[bytes, set[int], bool]:
    """What is kept of the header, hashes of the other names, and whether a listed field is among those."""
    kept: list[bytes] = []
    others: set[int] = set()
    omitted = len(scan.header) < scan.header_size
    if omitted:  # what the scanner cut off may hold any field
        return b"", set(range(256)), True
    for field, name in scan.fields:
        listed = name.lower() in FIELDS
        if listed and len(field) <= MAX_FIELD and not omitted:
            kept.append(field)
        else:
            others.add(name_hash(name))
            omitted = omitted or listed
    if kept and not kept[-1].endswith(b"\n"):  # the header's last line, if it has no end
        kept.append(b"\r\n")
    return b"".join(kept), others, omitted


def decode_wire(record: bytes) -> tuple[bytes, bytes]:
    """(ENVELOPE, BODYSTRUCTURE), as they go to clients."""
    data = _decompressor(record[0]).decompress(record[2:])
    layout = _WIDE if data[0] & _IS_WIDE else _NARROW
    head = layout.unpack_from(data)
    middle = layout.size + head[1]
    return data[layout.size : middle], data[middle : middle + head[2]]


def decode_summary(record: bytes) -> Summary:
    data = _decompressor(record[0]).decompress(record[2:])
    layout = _WIDE if data[0] & _IS_WIDE else _NARROW
    flags, *lengths, names, size, header_size, date = layout.unpack_from(data)
    position = layout.size
    sections: list[bytes] = []
    for length in (*lengths, names):
        sections.append(data[position : position + length])
        position += length
    return Summary(
        envelope=sections[0],
        body_structure=sections[1],
        preview=sections[3],
        headers=sections[2],
        other_names=frozenset(range(256) if flags & _ALL_NAMES else sections[4]),
        packed_parts=data[position:],
        size=size,
        header_size=header_size,
        date=date if flags & _HAS_DATE else None,
        pure_7bit=bool(flags & _PURE_7BIT),
        omitted=bool(flags & _OMITTED),
    )


@cache
def _dictionary(number: int) -> zstandard.ZstdCompressionDict:
    """A record that names a dictionary this release does not have is from a newer one: FileNotFoundError."""
    return zstandard.ZstdCompressionDict(
        files("services.store").joinpath(f"summary{number}.dict").read_bytes()
    )


# Frames without magic number, checksum and dictionary id: the record's own head says it all.
# The search is set for records of about 1 KB, most of which the dictionary knows: against level 12 they are
# 2 % larger and take half the time. A window of 16 KB would make zstd choose a search by rows, which takes
# three times as long where, as in a store at work, its tables have left the caches.
@cache
def _compressor() -> zstandard.ZstdCompressor:
    parameters = zstandard.ZstdCompressionParameters(
        window_log=15,
        hash_log=15,
        chain_log=15,
        search_log=6,
        min_match=3,
        target_length=64,
        strategy=zstandard.STRATEGY_GREEDY,
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_checksum=False,
        write_dict_id=False,
    )
    return zstandard.ZstdCompressor(dict_data=_dictionary(DICTIONARY), compression_params=parameters)


@cache
def _decompressor(number: int) -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(dict_data=_dictionary(number), format=zstandard.FORMAT_ZSTD1_MAGICLESS)
