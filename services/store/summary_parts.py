"""The part table of a summary in few octets: differences as varints, common names as their number.

The tables belong to the summary's version: entries are only ever appended.
"""

from services.common.mime import Part


def _names(text: bytes) -> tuple[bytes, ...]:
    return tuple(text.split())


_TYPES = _names(
    b"""
    TEXT/PLAIN TEXT/HTML MULTIPART/MIXED MULTIPART/ALTERNATIVE MULTIPART/RELATED MULTIPART/REPORT
    MULTIPART/SIGNED MULTIPART/DIGEST MESSAGE/RFC822 MESSAGE/GLOBAL MESSAGE/DELIVERY-STATUS
    MESSAGE/DISPOSITION-NOTIFICATION APPLICATION/OCTET-STREAM APPLICATION/PDF APPLICATION/ZIP
    APPLICATION/PGP-SIGNATURE APPLICATION/PKCS7-SIGNATURE IMAGE/PNG IMAGE/JPEG IMAGE/GIF TEXT/CALENDAR
    TEXT/RFC822-HEADERS TEXT/CSV AUDIO/MPEG VIDEO/MP4
    """
)
_ENCODINGS = _names(b"7BIT 8BIT BINARY BASE64 QUOTED-PRINTABLE")
_CHARSETS = (b"", *_names(b"utf-8 UTF-8 us-ascii US-ASCII iso-8859-1 ISO-8859-1 windows-1252 iso-8859-15"))

_NUMBER_OF_TYPE = {name: number for number, name in enumerate(_TYPES, 1)}
_NUMBER_OF_ENCODING = {name: number for number, name in enumerate(_ENCODINGS, 1)}
_NUMBER_OF_CHARSET = {name: number for number, name in enumerate(_CHARSETS, 1)}


def pack_parts(parts: tuple[Part, ...]) -> bytes:
    """Parts come depth first, so the depth of each tells its number."""
    packed = bytearray()
    before = 0
    for number, header_start, body_start, end, kind, encoding, charset, is_message, text_start in parts:
        _put(packed, len(number) * 2 + is_message)
        _put(packed, header_start - before)
        _put(packed, body_start - header_start)
        _put(packed, end - body_start)
        if is_message:
            _put(packed, text_start - body_start)
        _put_name(packed, kind, _NUMBER_OF_TYPE)
        _put_name(packed, encoding, _NUMBER_OF_ENCODING)
        _put_name(packed, charset, _NUMBER_OF_CHARSET)
        before = header_start
    return bytes(packed)


def unpack_parts(packed: bytes) -> tuple[Part, ...]:
    parts: list[Part] = []
    reader = _Reader(packed)
    number: tuple[int, ...] = ()
    header_start = 0
    while reader.position < len(packed):
        depth, is_message = divmod(reader.number(), 2)
        number = (*number, 1) if depth > len(number) else (*number[: depth - 1], number[depth - 1] + 1)
        header_start += reader.number()
        body_start = header_start + reader.number()
        end = body_start + reader.number()
        text_start = body_start + (reader.number() if is_message else 0)
        names = reader.name(_TYPES), reader.name(_ENCODINGS), reader.name(_CHARSETS)
        parts.append(Part(number, header_start, body_start, end, *names, bool(is_message), text_start))
    return tuple(parts)


def _put(packed: bytearray, number: int) -> None:
    while number > 0x7F:
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)


def _put_name(packed: bytearray, name: bytes, numbers: dict[bytes, int]) -> None:
    number = numbers.get(name, 0)
    packed.append(number)
    if not number:
        _put(packed, len(name))
        packed += name


class _Reader:
    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self.position = 0

    def number(self) -> int:
        value = shift = 0
        while True:
            octet = self._packed[self.position]
            self.position += 1
            value |= (octet & 0x7F) << shift
            if octet < 0x80:
                return value
            shift += 7

    def name(self, names: tuple[bytes, ...]) -> bytes:
        number = self._packed[self.position]
        self.position += 1
        if number:
            return names[number - 1]
        size = self.number()
        self.position += size
        return self._packed[self.position - size : self.position]
