"""The TRANSACTION state: a snapshot of INBOX and the lock that keeps other POP3 sessions out.

The store lends the lock for 60 seconds; a timer renews it long before that.
While nothing is due there is no task, only the timer. Any store replica can
renew. A lock that is lost (say, after a minute without a store) ends the
session at its next command, and nothing is removed.
"""

import asyncio

import structlog

from buuta.v1.maildrop_pb2 import (
    CloseMaildropRequest,
    CloseMaildropResponse,
    OpenMaildropRequest,
    OpenMaildropResponse,
    RenewMaildropRequest,
)
from services.common.errors import Fault, Refused, Unavailable
from services.common.session import Spawn
from services.common.store_client import StoreClient, StoreSession
from services.pop3.protocol.maildrop import Maildrop

RENEW_AFTER = 20.0  # seconds; two more attempts fit into the lock's 60
RETRY_AFTER = 5.0


class Transaction:
    """One login's maildrop, open until `commit`, `release`, or the loss of its lock."""

    def __init__(
        self,
        store: StoreClient,
        login: StoreSession,
        opened: OpenMaildropResponse,
        spawn: Spawn,
        log: structlog.stdlib.BoundLogger,
        renew_after: float = RENEW_AFTER,
    ) -> None:
        self.login = login
        self.mailbox = opened.mailbox
        self.maildrop = Maildrop(opened.uidvalidity, opened.uids, opened.sizes)
        self._lock = opened.lock
        self._store, self._spawn, self._log = store, spawn, log
        self._failure: Refused | None = None
        self._open = self._renewing = True
        self._timer: asyncio.TimerHandle | None = None
        self._renew_after = renew_after
        self._wait(renew_after)

    def check(self) -> None:
        """Raise what the last renewal found out, if it was final."""
        if self._failure is not None:
            raise self._failure

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        self._spawn(self._renew())

    async def _renew(self) -> None:
        request = RenewMaildropRequest(account=self.login.account, lock=self._lock)
        pause = self._renew_after
        try:
            await self._store.maildrops.RenewMaildrop(request, session=self.login)
        except Refused as fault:
            self._log.warning("maildrop lock lost", reason=fault.reason)
            self._failure = Refused(
                "MAILDROP_LOCK_LOST", "The lock of the maildrop is lost; nothing was removed"
            )
            return
        except Unavailable:
            pause = RETRY_AFTER
        except Exception:
            self._log.exception("maildrop lock not renewed")
            pause = RETRY_AFTER
        if self._renewing:
            self._wait(pause)

    def _stop(self) -> None:
        self._renewing = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def commit(self) -> int:
        """Remove what is marked and unlock, in one step (RFC 1939 §6); how many went."""
        self._stop()
        removed = await self._close(self.maildrop.deleted_uids())
        self._open = False
        return removed

    async def release(self) -> None:
        """Unlock and remove nothing. Without a store the lock ends by itself."""
        self._stop()
        if not self._open or self._failure is not None:
            return
        self._open = False
        try:
            await self._close(b"")
        except Fault as fault:
            self._log.info("maildrop not unlocked", cause=fault.text)

    async def _close(self, uids: bytes) -> int:
        request = CloseMaildropRequest(
            account=self.login.account, lock=self._lock, mailbox=self.mailbox, uids=uids
        )
        closed: CloseMaildropResponse = await self._store.maildrops.CloseMaildrop(request, session=self.login)
        return closed.removed


async def open_transaction(
    store: StoreClient, login: StoreSession, spawn: Spawn, log: structlog.stdlib.BoundLogger
) -> Transaction:
    """Lock and list; Refused MAILDROP_LOCKED while another session holds the lock."""
    request = OpenMaildropRequest(account=login.account)
    opened = await store.maildrops.OpenMaildrop(request, session=login)
    return Transaction(store, login, opened, spawn, log)
