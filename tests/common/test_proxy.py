"""The PROXY header: who the client is, however the octets come; what is no header is refused."""

import ipaddress
import random
import struct

import pytest

from services.common import proxy
from services.common.proxy import SIGNATURE, Header

REST = b"EHLO client.example\r\n"


def version_2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


def addresses(client: str) -> bytes:
    """Of version 2: client and server, and their ports."""
    address = ipaddress.ip_address(client).packed
    return address + bytes(len(address)) + struct.pack("!HH", 1000, 25)


TLV = b"\x04\x00\x02no"  # options behind the addresses are passed over

HEADERS = [
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\n", "192.0.2.1"),
    (b"PROXY TCP6 2001:DB8::1 2001:db8::2 1000 25\r\n", "2001:db8::1"),
    (b"PROXY UNKNOWN\r\n", ""),
    (b"PROXY UNKNOWN what comes here is not read\r\n", ""),
    (version_2(0x21, 0x11, addresses("192.0.2.1")), "192.0.2.1"),
    (version_2(0x21, 0x21, addresses("2001:db8::1") + TLV), "2001:db8::1"),
    (version_2(0x20, 0x00, b""), ""),  # LOCAL
    (version_2(0x20, 0x11, addresses("192.0.2.1")), ""),
    (version_2(0x21, 0x31, bytes(216)), ""),  # a Unix socket
]


@pytest.mark.parametrize(("header", "client"), HEADERS)
def test_headers(header: bytes, client: str) -> None:
    assert proxy.parse(header + REST) == Header(client, len(header))
    for length in range(len(header)):
        assert proxy.parse(header[:length]) is None


@pytest.mark.parametrize(
    "octets",
    [
        REST,
        b"\r\n\r\n\0\r\nQUIT\r",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1000\r\n",
        b"PROXY TCP4 192.0.2.1  192.0.2.2 1000 25\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.2 1000 25\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.2 1000 25\r\n",
        b"PROXY TCP4 \xb9 192.0.2.2 1000 25\r\n",
        b"PROXY \r\n",
        b"PROXY TCP6 " + b"0" * 107,
        version_2(0x11, 0x11, addresses("192.0.2.1")),  # no version 2
        version_2(0x22, 0x11, addresses("192.0.2.1")),  # neither LOCAL nor PROXY
        version_2(0x21, 0x11, bytes(4097)),
    ],
)
def test_what_is_no_header(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"PROXY|address|codec"):
        proxy.parse(octets)


def test_any_octets() -> None:
    """A header, no header, or not complete: nothing else comes out, and nothing else is raised."""
    numbers = random.Random(1)
    for _ in range(20_000):
        octets = numbers.randbytes(40)
        for start in (b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\0\x0c"):
            try:
                found = proxy.parse(start + octets)
            except ValueError:
                continue
            assert found is None or 0 < found.consumed <= len(start + octets)
