"""Strings as they go to clients: quoted where that can be, a literal where not (RFC 3501 §4.3)."""

import re

from services.imap.protocol import mutf7

QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*")
SPECIAL = re.compile(rb'(["\\])')


def string(octets: bytes) -> bytes:
    """string = quoted / literal"""
    if QUOTABLE.fullmatch(octets):
        return b'"' + (SPECIAL.sub(rb"\\\1", octets) if b'"' in octets or b"\\" in octets else octets) + b'"'
    return b"{%d}\r\n%b" % (len(octets), octets)


def mailbox(name: str) -> bytes:
    """A mailbox's name."""
    return string(mutf7.encode(name))
