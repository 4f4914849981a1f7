"""The directory: which account has an address, and which addresses a domain has.

One key per address, in the shard the address hashes to, so that the marker of
that shard vouches for "there is no such address" too. An address is claimed,
then added to its account, which is the authority, then the claim is settled. A
claim that its account does not list is temporary; when it is old, whoever made
it is gone, and it falls.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

from services.common.errors import Refused, Unavailable
from services.store.index import keys
from services.store.index.accounts import DOMAINS, AccountHeader
from services.store.index.connection import Connection
from services.store.index.core import Request, Scope
from services.store.index.index import Index

STALE_MS = 60_000
MOST_GUESSES = 16_384


@dataclass(frozen=True, slots=True)
class Resolved:
    """Who has an address."""

    account: str
    address: str  # the account's primary one


class Directory:
    """Addresses of one platform. Addresses come in their one spelling (common/protocol/address.py)."""

    def __init__(self, connection: Connection, index: Index) -> None:
        self._connection, self._index = connection, index
        self._guesses: OrderedDict[str, str] = OrderedDict()  # accounts by address, as last found

    # -- finding ------------------------------------------------------------------------

    async def resolve(self, address: str) -> Resolved:
        """Who receives mail for an address; a `+detail` does not matter.

        Refused: USER_UNKNOWN, DOMAIN_UNKNOWN. Unavailable while a claim is not settled.
        """
        local, _, domain = address.rpartition("@")
        base = local.split("+", 1)[0] or local
        if guessed := await self._guessed(f"{base}@{domain}"):
            return Resolved(guessed[0], guessed[1].address)
        found, known = await self._lookup(f"{base}@{domain}", domain)
        if not known:
            raise Refused("DOMAIN_UNKNOWN", "Not a domain of ours")
        if found is None:
            raise Refused("USER_UNKNOWN", "No such user")
        return found

    async def find(self, address: str) -> Resolved | None:
        """Who has exactly this address."""
        found, _ = await self._lookup(address, address.rpartition("@")[2])
        return found

    async def account(self, address: str) -> tuple[str, AccountHeader] | None:
        """The account that has exactly this address, and its header as it is now."""
        if guessed := await self._guessed(address):
            return guessed
        found = await self.find(address)
        header = await self._index.account(found.account) if found else None
        return (found.account, header) if found and header else None

    async def _guessed(self, address: str) -> tuple[str, AccountHeader] | None:
        """Where the address was found last, if the account, which is the authority, lists it still."""
        account = self._guesses.get(address)
        if account is None:
            return None
        header = await self._index.account(account)
        if header is not None and address in (header.address, *header.aliases):
            return account, header
        self._guesses.pop(address, None)
        return None

    async def _lookup(self, address: str, domain: str) -> tuple[Resolved | None, bool]:
        key = _key(address)
        shard = keys.shard_of_text(address.encode())
        claim, known, here, there = await self._connection.read(
            [
                ("HGETALL", key),
                ("HEXISTS", DOMAINS, domain),
                ("GET", keys.tag(shard) + b":gen"),
                ("GET", keys.tag(0) + b":gen"),
            ]
        )
        if not self._index.generation or {here, there} != {self._index.generation}:
            raise Unavailable("The index is not complete")
        if not claim:
            return None, bool(known)
        account = claim[b"account"].decode()
        found = Resolved(account, claim[b"primary"].decode())
        if claim[b"state"] != b"settled" and not await self._reconcile(address, found, int(claim[b"time"])):
            return None, bool(known)
        self._guesses[address] = account
        if len(self._guesses) > MOST_GUESSES:
            self._guesses.popitem(last=False)
        return found, bool(known)

    async def _reconcile(self, address: str, found: Resolved, made: int) -> bool:
        """Settle a claim that its account lists; drop an old one that it does not."""
        account = found.account
        if await self._lists(account, address):
            try:
                await self._write("directory_settle", address, account, found.address)
            except Refused as refused:  # taken by another one since it was read
                raise Unavailable("The address is not settled yet") from refused
            return True
        if time.time() * 1000 - made < STALE_MS:
            raise Unavailable("The address is not settled yet")
        await self.drop(address, account)
        return False

    async def _lists(self, account: str, address: str) -> bool:
        header = await self._index.account(account)
        return header is not None and address in (header.address, *header.aliases)

    # -- changing -----------------------------------------------------------------------

    async def claim(self, address: str, account: str, primary: str) -> None:
        """Take an address for an account. Refused(ADDRESS_EXISTS), Unavailable while it is unsettled."""
        taken_from = ""
        for _ in range(3):
            reply = await self._write("directory_claim", address, account, primary, taken_from)
            if not reply:
                return
            holder, state, made = reply.decode().split("\n")
            if await self._lists(holder, address):
                raise Refused("ADDRESS_EXISTS", "The address is taken")
            if state != "settled" and time.time() * 1000 - int(made) < STALE_MS:
                raise Unavailable("The address is not settled yet")
            taken_from = holder
        raise Unavailable("The address is not settled yet")

    async def settle(self, address: str, account: str, primary: str) -> None:
        """The account lists the address now. Refused(ADDRESS_EXISTS) when another took it meanwhile."""
        await asyncio.gather(
            self._write("directory_settle", address, account, primary),
            self._member(address, account, True),
        )

    async def drop(self, address: str, account: str) -> None:
        """The account no longer lists the address, or never did."""
        await asyncio.gather(
            self._write("directory_drop", address, account), self._member(address, account, False)
        )

    async def _write(self, script: str, address: str, *args: str) -> bytes:
        tag = keys.tag(keys.shard_of_text(address.encode()))
        key = tag + b":a:@" + address.encode()
        return await self._index.write(script, Scope(""), Request(), *args, key=key)

    async def _member(self, address: str, account: str, present: bool) -> None:
        domain = address.rpartition("@")[2].encode()
        key = keys.tag(keys.shard_of_text(domain)) + b":a:dom:" + domain
        await self._index.write(
            "directory_member", Scope(""), Request(), address, account, int(present), key=key
        )

    # -- listing ------------------------------------------------------------------------

    async def addresses(self, domain: str, after: str, count: int) -> list[tuple[str, str]]:
        """Addresses of a domain behind `after`, with their accounts, in order."""
        shard = keys.shard_of_text(domain.encode())
        key = keys.tag(shard) + b":dom:" + domain.encode()
        start = b"(" + after.encode() + b"\xff" if after else b"-"
        members = await self._connection.command("ZRANGEBYLEX", key, start, "+", "LIMIT", 0, count)
        await self._index.check_shard(shard)
        pairs = (member.decode().partition("\0") for member in members)
        return [(address, account) for address, _, account in pairs]


def _key(address: str) -> bytes:
    return keys.tag(keys.shard_of_text(address.encode())) + b":@" + address.encode()
