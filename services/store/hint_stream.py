"""One front end's WatchHints: its accounts, and what it has not been told yet."""

import asyncio
import time
from collections.abc import AsyncIterator

from buuta.v1 import change_pb2 as pb
from services.common.errors import Fault, Refused
from services.store.context import Platform
from services.store.hints import Listener
from services.store.index.incarnation import token

# Accounts whose state is read again together, when hints may have been lost.
TOGETHER = 200
AGAIN_SECONDS = 1.0


class HintStream:
    """Level-triggered: what waits is one number per account, so nothing overflows."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.listener = Listener()
        self._accounts: dict[str, str] = {}  # account → epoch of the session it was added with
        self._incarnations: dict[str, int] = {}  # of accounts that were read since they were last told of

    async def read(self, requests: AsyncIterator[pb.WatchHintsRequest]) -> None:
        """Takes additions and removals until the front end closes its side."""
        async for request in requests:
            for account in request.remove:
                self._drop(account)
            for at in range(0, len(request.add), TOGETHER):
                await asyncio.gather(*(self._add(watched) for watched in request.add[at : at + TOGETHER]))

    async def _add(self, watched: pb.WatchedAccount) -> None:
        """Subscribe first, then read: no change can fall between."""
        account = watched.account
        try:
            claims = self._platform.tokens.verify(watched.session_token, time.time())
            if claims.account != account:
                raise Refused("PERMISSION_DENIED", "Not your account")
        except Refused:
            self._end(account)
            return
        self._accounts[account] = str(claims.epoch)
        await self._platform.hints.add(self.listener, account)
        await self._look(account)

    async def _look(self, account: str) -> None:
        """Where the account is now; whether its sessions have ended."""
        try:
            header = await self._platform.index.account(account, self._accounts.get(account, ""))
        except Refused:
            header = None
        except Fault:
            self.listener.gap = True  # read again a little later
            self.listener.ready.set()
            return
        if header is None:
            self._end(account)
            return
        self._incarnations[account] = header.incarnation
        changed = self.listener.changed
        changed[account] = max(header.seq, changed.get(account, 0))
        self.listener.ready.set()

    def _end(self, account: str) -> None:
        self.listener.ended.add(account)
        self.listener.ready.set()

    async def next(self, reading: "asyncio.Future[None]") -> pb.WatchHintsResponse:
        """The next hints, at once or when something changes; Unavailable once the store drains."""
        waiting = asyncio.ensure_future(self._platform.hints.wait(self.listener))
        try:
            await asyncio.wait((waiting, reading), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()
        finally:
            waiting.cancel()
        changed, ended, gap = self.listener.take()
        response = pb.WatchHintsResponse()
        for account in ended:
            response.hints.add(account=account, ended=True)
            self._drop(account)
        for account, seq in changed.items():
            if account in self._accounts:
                number = self._incarnations.pop(account, 0)
                response.hints.add(account=account, seq=seq, incarnation=token(number) if number else b"")
        if gap:
            await self._look_again(not response.hints)
        return response

    async def _look_again(self, patiently: bool) -> None:
        """Read where all accounts are: what comes of it is told next."""
        accounts = list(self._accounts)
        for at in range(0, len(accounts), TOGETHER):
            await asyncio.gather(*(self._look(account) for account in accounts[at : at + TOGETHER]))
        if self.listener.gap and patiently:
            await asyncio.sleep(AGAIN_SECONDS)

    def _drop(self, account: str) -> None:
        self._accounts.pop(account, None)
        self._incarnations.pop(account, None)
        self._platform.hints.remove(self.listener, account)

    def close(self) -> None:
        for account in list(self._accounts):
            self._drop(account)
