"""The PROXY protocol, versions 1 and 2: who the client behind a load balancer is.

Only streams from trusted networks get here (`listener.py`); for them the header
is required. Specification: "The PROXY protocol", Willy Tarreau, 2020.
"""

import ipaddress
from dataclasses import dataclass

# "PROXY TCP6 " + two addresses + two ports + CRLF: at most 107 octets (§2.1).
MAX_V1 = 107
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V2_HEADER = 16
# Addresses and options of version 2; more than this is no proxy of this world.
MAX_V2 = 4096


@dataclass(frozen=True, slots=True)
class Header:
    """A complete header."""

    client: str  # IP address; "": the proxy speaks for itself (a health check)
    consumed: int  # octets of the header


def parse(data: bytes) -> Header | None:
    """The header at the start of `data`, None while it is not complete; ValueError when it is none."""
    if SIGNATURE.startswith(data[: len(SIGNATURE)]):
        return _version_2(data)
    if b"PROXY ".startswith(data[:6]):
        return _version_1(data)
    raise ValueError("no PROXY header")


def _version_1(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, MAX_V1)
    if end < 0:
        if len(data) >= MAX_V1:
            raise ValueError("PROXY header too long")
        return None
    words = data[:end].decode("ascii").split(" ")
    if words[1] == "UNKNOWN":
        return Header("", end + 2)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise ValueError("malformed PROXY header")
    return Header(str(ipaddress.ip_address(words[2])), end + 2)


def _version_2(data: bytes) -> Header | None:
    if len(data) < V2_HEADER:
        return None
    length = int.from_bytes(data[14:16], "big")
    if length > MAX_V2 or data[12] not in (0x20, 0x21):  # version 2, LOCAL or PROXY
        raise ValueError("malformed PROXY header")
    if len(data) < V2_HEADER + length:
        return None
    size = {1: 4, 2: 16}.get(data[13] >> 4, 0)
    if data[12] & 15 == 0 or not size or length < 2 * size:
        return Header("", V2_HEADER + length)  # LOCAL, or a family without IP addresses
    return Header(str(ipaddress.ip_address(data[16 : 16 + size])), V2_HEADER + length)
