"""Charsets by the names mail uses; an unknown one reads as UTF-8 with replacements, never an error.

Only names known at start are looked up: Python's codec registry would remember
every name a stranger invents, and knows codecs that are no charsets.
"""

import codecs
import functools
from encodings.aliases import aliases

_NOT_CHARSETS = {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec"}
_NOT_CHARSETS |= {
    "mbcs",
    "oem",
    "tactis",
    "idna",
    "punycode",
    "unicode_escape",
    "raw_unicode_escape",
    "undefined",
}
_EXTRA = {
    "unicode_1_1_utf_7": "utf_7",
    "x_unknown": "utf_8",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "x_sjis": "shift_jis",
    "windows_31j": "cp932",
    "x_euc_jp": "euc_jp",
    "x_gbk": "gbk",
    "x_mac_roman": "mac_roman",
}
_CODECS = {name: codec for name, codec in aliases.items() if codec not in _NOT_CHARSETS}
_CODECS |= {codec: codec for codec in _CODECS.values()} | _EXTRA
# Mail says these and means their supersets (as every browser does).
_SUPERSETS = {"ascii": "utf_8", "latin_1": "cp1252", "iso8859_9": "cp1254", "gb2312": "gb18030"}


@functools.lru_cache(256)
def codec_name(charset: str) -> str:
    """The codec for a charset; UTF-8, which covers US-ASCII, where it is unknown."""
    name = charset.strip().lower().replace("-", "_").replace(" ", "_")
    codec = _CODECS.get(name) or _CODECS.get(name.replace(":", "_")) or "utf_8"
    return _SUPERSETS.get(codec, codec)


def decode(octets: bytes, charset: str) -> str:
    """Text whatever the octets are."""
    if octets.isascii() and charset == "utf-8":
        return octets.decode("ascii")
    return octets.decode(codec_name(charset), "replace")


def incremental_decoder(charset: str) -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder(codec_name(charset))("replace")
