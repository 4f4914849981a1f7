"""Trace fields (RFC 5321 §4.4) and what submission adds (RFC 6409 §8)."""

import functools
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

# A message that passed more servers than this goes in circles (RFC 5321 §6.3).
MAX_RECEIVED = 100
# What a client calls itself is taken as it is, but must not break the field's syntax.
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._:\[\]-]")
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)
_DATE = re.compile(rb"^date[ \t]*:", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Hop:
    """How a message came here."""

    hello: str  # what the client called itself
    peer: str  # its IP address
    hostname: str  # ours
    extended: bool  # EHLO
    tls: tuple[str, str] | None  # version and cipher suite
    authenticated: bool
    id: str
    recipient: str  # "" when there are several: they do not learn of each other
    time: int  # Unix seconds


@functools.lru_cache(1)
def _date(time: int) -> str:
    """As RFC 5322 §3.3 writes it; most messages of a second share it."""
    return format_datetime(datetime.fromtimestamp(time, UTC))


def protocol_name(hop: Hop) -> str:
    """The word behind `with` (RFC 3848)."""
    if not hop.extended:
        return "SMTP"
    return "ESMTP" + ("S" if hop.tls else "") + ("A" if hop.authenticated else "")


def trace_fields(reverse_path: str, hop: Hop) -> bytes:
    """Return-Path and Received."""
    address = f"IPv6:{hop.peer}" if ":" in hop.peer else hop.peer
    cipher = f"\r\n\t(using {hop.tls[0]} with cipher {hop.tls[1]})" if hop.tls else ""
    recipient = f"\r\n\tfor <{hop.recipient}>" if hop.recipient else ""
    return (
        f"Return-Path: <{reverse_path}>\r\n"
        f"Received: from {_NOT_IN_A_NAME.sub('?', hop.hello)} ([{address}]){cipher}\r\n"
        f"\tby {hop.hostname} with {protocol_name(hop)} id {hop.id}{recipient};\r\n"
        f"\t{_date(hop.time)}\r\n"
    ).encode("ascii", "replace")


def header_of(octets: bytes) -> bytes:
    """The header block at the start of a message, or all of it when there is no empty line."""
    if octets.startswith(b"\r\n"):
        return b""
    end = octets.find(b"\r\n\r\n")
    return octets[: end + 2] if end >= 0 else octets


def received_fields(header: bytes) -> int:
    return len(_RECEIVED.findall(header))


def has_message_id(header: bytes) -> bool:
    return _MESSAGE_ID.search(header) is not None


def missing_fields(header: bytes, hop: Hop) -> bytes:
    """Date and Message-ID where a client left them out (RFC 6409 §8.1, §8.3)."""
    added = b""
    if not _DATE.search(header):
        added += f"Date: {_date(hop.time)}\r\n".encode()
    if not has_message_id(header):
        added += f"Message-ID: <{hop.id}@{hop.hostname}>\r\n".encode()
    return added
