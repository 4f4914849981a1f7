"""Text of a part as people read it: transfer encoding and charset undone, HTML reduced to its words.

`TextDecoder` takes octets in pieces of any size and keeps nothing but an
unfinished group or line, so that search can read a large part bounded.
"""

import re
from binascii import Error, a2b_base64, a2b_qp
from html import unescape

from services.common.mime.charset import codec_name, incremental_decoder

MAX_PREVIEW = 100  # characters: what lists show; RFC 8970 §3.2 allows 200, at 60 octets of Redis a message
# Octets of the part that a preview is made from: enough to get past a style sheet.
PREVIEW_OCTETS = 16 * 1024
# Mostly the words are in the first of these, and the rest need not be looked at.
_BEGINNINGS = (384, 4096, PREVIEW_OCTETS)
_HTML_BEGINNINGS = (1024, 4096, PREVIEW_OCTETS)
# Of a run of UTF-7 that does not end no more than these wait.
_MAX_RUN = 4 * 1024
# A quoted-printable line is at most 76 octets (RFC 2045 §6.7); more is broken and cut anywhere.
_MAX_LINE = 4 * 1024

_BASE64 = re.compile(rb"[A-Za-z0-9+/]+")
_NOT_BASE64 = _BASE64.sub(b"", bytes(range(256)))
_NOT_SHOWN = re.compile(r"[\x00-\x20\x7f\xa0\u00ad\u034f\u200b-\u200f\u2028-\u202e\u2060\ufeff]+")
_TAG = re.compile(r"<[^<>]*>?")
# Of a number of more than eight digits; with eight that are not leading zeros it is no character already.
_LONG_REFERENCE = re.compile(r"&#(?=[0-9]{9})0*([0-9]{1,8})[0-9]*")
_HIDDEN = re.compile(r"<(style|script|head|title|!--)", re.IGNORECASE)


class TextDecoder:
    """Octets of a part in, text out; never raises."""

    def __init__(self, encoding: bytes, charset: bytes) -> None:
        self._encoding = encoding.upper()
        name = charset.decode("ascii", "replace")
        self._decoder = incremental_decoder(name)
        self._is_utf7 = codec_name(name) == "utf_7"
        self._rest = b""

    def feed(self, octets: bytes) -> str:
        return self._text(self._decode(octets, False), False)

    def finish(self) -> str:
        return self._text(self._decode(b"", True), True)

    def _text(self, octets: bytes, final: bool) -> str:
        try:
            text = self._decoder.decode(octets, final)
            return text + self._waiting_run() if self._is_utf7 else text
        except UnicodeError:  # a few multi-byte codecs cannot replace everything
            self._decoder.reset()
            return octets.decode("ascii", "replace")

    def _waiting_run(self) -> str:
        """The text of a long run of UTF-7 but for its end, which becomes a run of its own (RFC 2152).

        Python keeps a run that has not ended, and would read all of it again with each piece.
        """
        run, flags = self._decoder.getstate()
        if len(run) <= _MAX_RUN:
            return ""
        # Eight digits are three whole units; a pair of them is not parted.
        end = 1 + (len(run) - 9) // 8 * 8
        text = _from_run(run[:end])
        if "\ud800" <= text[-1:] < "\udc00":
            end -= 8
            text = _from_run(run[:end])
        self._decoder.setstate((b"+" + run[end:], flags))
        return text

    def _decode(self, octets: bytes, final: bool) -> bytes:
        if self._encoding == b"BASE64":
            return self._base64(octets, final)
        if self._encoding == b"QUOTED-PRINTABLE":
            return self._quoted_printable(octets, final)
        return octets

    def _base64(self, octets: bytes, final: bool) -> bytes:
        data = self._rest + octets.translate(None, _NOT_BASE64)
        cut = len(data) if final else len(data) & ~3
        self._rest = data[cut:]
        return _from_base64(data[:cut])

    def _quoted_printable(self, octets: bytes, final: bool) -> bytes:
        data = self._rest + octets
        cut = len(data) if final else data.rfind(b"\n") + 1
        if len(data) - cut > _MAX_LINE:
            cut = len(data)
        self._rest = data[cut:]
        return a2b_qp(data[:cut])


def decoded_text(octets: bytes, encoding: bytes, charset: bytes) -> str:
    """The text of a part's octets, or of their beginning: as TextDecoder, for what is there at once."""
    kind = encoding.upper()
    if kind == b"BASE64":
        octets = _from_base64(octets.translate(None, _NOT_BASE64))
    elif kind == b"QUOTED-PRINTABLE":
        octets = a2b_qp(octets)
    try:
        return octets.decode(codec_name(charset.decode("ascii", "replace")), "replace")
    except UnicodeError:  # as in TextDecoder
        return octets.decode("ascii", "replace")


def _from_run(run: bytes) -> str:
    return (run + b"-").decode("utf_7", "replace")


def _from_base64(digits: bytes) -> bytes:
    """Octets of base64 digits; one that is too many is left out."""
    if len(digits) % 4 == 1:
        digits = digits[:-1]
    try:
        return a2b_base64(digits + b"=" * (-len(digits) % 4))
    except Error:
        return b""


def preview(octets: bytes, encoding: bytes, charset: bytes, html: bool) -> bytes:
    """At most MAX_PREVIEW characters of UTF-8 in one line, from the beginning of a text part (RFC 8970)."""
    if not html and encoding in _AS_IS and octets.isascii() and not charset.upper().startswith(_SHIFTING):
        # Enough for that many unless most of it is white space.
        words = b" ".join(octets[: 2 * MAX_PREVIEW].split())
        if len(words) >= MAX_PREVIEW and words.decode("ascii").isprintable():
            return words[:MAX_PREVIEW].rstrip()
    found = ""
    for size in _HTML_BEGINNINGS if html else _BEGINNINGS:
        found = _words(octets[:size], encoding, charset, html)
        if len(found) >= 2 * MAX_PREVIEW or size >= len(octets):
            break
    return found[:MAX_PREVIEW].rstrip().encode("utf-8", "replace")


def _words(octets: bytes, encoding: bytes, charset: bytes, html: bool) -> str:
    """The words of a text part's beginning; only the last ones depend on where that is cut."""
    text = decoded_text(octets, encoding, charset)
    if html:
        text = _characters(_TAG.sub(" ", _visible(text)))
    words = " ".join(text.split())
    shown = words[:MAX_PREVIEW]
    if shown.isprintable() and "\u034f" not in shown:
        return words
    return _NOT_SHOWN.sub(" ", words).strip()


def _characters(text: str) -> str:
    """The character references undone. Python refuses to read a number of thousands of digits."""
    return unescape(_LONG_REFERENCE.sub(r"&#\1", text))


_AS_IS = frozenset((b"7BIT", b"8BIT"))
_SHIFTING = (b"UTF-7", b"ISO-2022", b"HZ", b"UTF-16", b"UTF-32")


def _visible(text: str) -> str:
    """HTML without style sheets, scripts, titles and comments."""
    pieces: list[str] = []
    position = 0
    lower = text.lower() if len(text.lower()) == len(text) else text
    while match := _HIDDEN.search(text, position):
        pieces.append(text[position : match.start()])
        name = match[1].lower()
        closing = "-->" if name == "!--" else f"</{name}"
        position = lower.find(closing, match.end())
        if position < 0:
            return "".join(pieces)
        position += len(closing) if name == "!--" else 0
    pieces.append(text[position:])
    return "".join(pieces)
