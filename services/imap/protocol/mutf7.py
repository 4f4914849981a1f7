"""Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3).

Printable US-ASCII stands for itself but "&", which is "&-"; all else is UTF-16
in base64 with "," for "/", between "&" and "-". Decoding accepts only what
encoding makes, so that two names on the wire are never one mailbox; names that
some clients send in plain UTF-8 are taken as what they mean.
"""

import binascii
import re
import unicodedata

from services.common.errors import SyntaxFault

SHIFTED = re.compile(r"&([^-]*)(-?)")
PLAIN = re.compile(r"[\x20-\x7e]+")
UNPLAIN = re.compile(r"[^\x20-\x7e]+|&")


def encode(name: str) -> bytes:
    """A name as it goes to clients; always US-ASCII."""
    if PLAIN.fullmatch(name) and "&" not in name:
        return name.encode("ascii")
    return UNPLAIN.sub(_shift, name).encode("ascii")


def _shift(match: re.Match[str]) -> str:
    text = match[0]
    if text == "&":
        return "&-"
    octets = binascii.b2a_base64(text.encode("utf-16-be"), newline=False)
    return "&" + octets.rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"


def decode(name: bytes) -> str:
    """The name that a client means, in NFC; SyntaxFault where it means none."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        raise SyntaxFault("Mailbox name is not modified UTF-7") from None
    if "&" in text:
        text = SHIFTED.sub(_unshift, text)
        if name.isascii() and encode(text) != name:
            raise SyntaxFault("Mailbox name is not modified UTF-7")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _unshift(match: re.Match[str]) -> str:
    shifted, end = match[1], match[2]
    if not end:
        raise SyntaxFault("Mailbox name has an unfinished shift")
    if not shifted:
        return "&"
    try:
        padded = shifted.replace(",", "/") + "=" * (-len(shifted) % 4)
        return binascii.a2b_base64(padded.encode("ascii"), strict_mode=True).decode("utf-16-be")
    except (ValueError, UnicodeError):
        raise SyntaxFault("Mailbox name is not modified UTF-7") from None
