"""Whose address a forward-path is: what the store said a moment ago is not asked again.

Only accounts are kept, never refusals, and only for seconds: a name that is
created is there at once, and one that is given to another account follows soon.
An account that is deleted is found out by the delivery, which `lives` completes.
"""

import time

from buuta.v1.delivery_pb2 import ResolveRecipientRequest
from services.common.errors import Refused
from services.common.store_client import StoreClient
from services.common.store_session import StoreSession

KEEP = 5.0  # seconds
MOST = 10_000  # addresses


class Recipients:
    """What one process knows of recipients."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, float]] = {}  # address as written → account, until when

    async def account(self, store: StoreClient, login: StoreSession | None, address: str) -> str:
        """The account that gets this address's mail; Refused as ResolveRecipient is."""
        known = self._known.get(address)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        response = await store.delivery.ResolveRecipient(
            ResolveRecipientRequest(address=address), session=login
        )
        if len(self._known) >= MOST:
            self._known.clear()
        account: str = response.account
        self._known[address] = account, time.monotonic() + KEEP
        return account

    async def lives(self, store: StoreClient, login: StoreSession | None, address: str) -> bool:
        """Whether an address whose account was deleted has another one by now."""
        self._known.pop(address, None)
        try:
            await self.account(store, login, address)
        except Refused:
            return False
        return True
