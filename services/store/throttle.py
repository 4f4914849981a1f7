"""Throttles guessing: too many failed logins from one client address, counted by all stores together."""

import functools
import ipaddress

from services.common.errors import Refused
from services.store.index.connection import Connection
from services.store.index.counters import Counters

MOST_FAILURES = 30
WINDOW_SECONDS = 600


class Throttle:
    """Failed logins by client network (an IPv4 address, an IPv6 /64)."""

    def __init__(self, connection: Connection) -> None:
        self._counters = Counters(connection)

    async def check(self, client_address: str) -> None:
        """Refused(LOGIN_THROTTLED) after too many failures."""
        name = _network(client_address)
        if name and await self._counters.read(name) >= MOST_FAILURES:
            raise Refused("LOGIN_THROTTLED", "Too many failed logins: try again later")

    async def failed(self, client_address: str) -> None:
        """One more failure."""
        name = _network(client_address)
        if name:
            await self._counters.add(name, WINDOW_SECONDS)


@functools.lru_cache(4096)
def _network(client_address: str) -> str:
    try:
        address = ipaddress.ip_address(client_address)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return f"login:{ipaddress.IPv6Address(int(address) >> 64 << 64)}"
        address = address.ipv4_mapped  # of a listener for both families
    return f"login:{address}"
