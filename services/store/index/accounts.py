"""Accounts in the index: header, credential, addresses; and the list of domains."""

import hashlib
from dataclasses import dataclass

from services.common.errors import Refused
from services.store.index import keys
from services.store.index.core import Core, Request, Scope, pairs

# Name and special use (SpecialUse of the API) of the mailboxes of a new account.
FIRST_MAILBOXES = (
    ("INBOX", 0),
    ("Drafts", 2),
    ("Sent", 4),
    ("Junk", 3),
    ("Trash", 5),
    ("Archive", 1),
)
DOMAINS = keys.tag(0) + b":domains"


@dataclass(frozen=True, slots=True)
class AccountHeader:
    """An account as its header says."""

    address: str
    aliases: list[str]
    credential: str
    epoch: int
    create_time: int  # Unix milliseconds
    seq: int
    incarnation: int  # what a label of this moment names


class AccountOperations(Core):
    """Mixed into Index."""

    def new_account_id(self) -> str:
        return keys.new_account_id()

    def account_id_for(self, request_id: bytes) -> str:
        """The id of the account that this request creates, however often it is repeated."""
        shard = int.from_bytes(request_id[6:8], "big") % keys.SHARDS
        return keys.account_id(shard, request_id[8:16])

    async def create_account(self, request_id: bytes, account: str, address: str, credential: str) -> None:
        """A new account with its first mailboxes; one that is there already is left as it is."""
        names = [str(part) for pair in FIRST_MAILBOXES for part in pair]
        try:
            await self.write("account_create", Scope(account), Request(), address, credential, *names)
        except Refused as refused:
            if refused.reason != "ACCOUNT_EXISTS":
                raise

    async def delete_account(self, request_id: bytes, account: str) -> None:
        """The account is gone at once; the collector removes its mail."""
        await self.write("account_delete", Scope(account), _request(request_id, "delete"))

    async def set_password(self, request_id: bytes, account: str, credential: str) -> None:
        """A new credential; every session of the account ends.

        The credential is salted anew in every retry and is not part of the request's digest.
        """
        request = _request(request_id, "password")
        await self.write("account_update", Scope(account), request, "password", credential)

    async def set_addresses(self, request_id: bytes, account: str, add: str = "", remove: str = "") -> None:
        """Add or remove a further address."""
        what = ("add", add) if add else ("remove", remove)
        await self.write("account_update", Scope(account), _request(request_id, *what), *what)

    async def account(self, account: str, epoch: str = "") -> AccountHeader | None:
        """The header; None when there is no such account. Refused(SESSION_ENDED) for an old epoch."""
        if not keys.valid_account(account):
            return None
        try:
            incarnation, flat, _, _ = await self.read("account_read", Scope(account, epoch), "")
        except Refused as refused:
            if refused.reason == "ACCOUNT_NOT_FOUND":
                return None
            raise
        header = pairs(flat)
        aliases = header[b"aliases"].decode()
        return AccountHeader(
            header[b"addr"].decode(),
            aliases.split("\n") if aliases else [],
            header[b"cred"].decode(),
            int(header[b"epoch"]),
            int(header[b"ctime"]),
            int(header[b"seq"]),
            incarnation,
        )

    async def addresses_of(self, account: str) -> list[str]:
        """The addresses an account has, or had: a deleted one keeps them until its mail is gone."""
        found = await self.connection.command("HMGET", keys.account_key(account), "addr", "aliases")
        return [address for value in found if value for address in value.decode().split("\n")]

    async def domains(self) -> dict[str, int]:
        """All domains with their creation time in Unix milliseconds."""
        found = await self.connection.command("HGETALL", DOMAINS)
        await self.check_shard(0)
        return {name.decode(): int(created) for name, created in found.items()}

    async def set_domain(self, request_id: bytes, name: str, present: bool) -> int:
        """Add or remove a domain; its creation time. Refused: DOMAIN_EXISTS, DOMAIN_NOT_FOUND."""
        what = (name, str(int(present)))
        key = keys.tag(0) + b":a:domains"
        return int(await self.write("domain_set", Scope(""), _request(request_id, *what), *what, key=key))


def _request(request_id: bytes, *what: str) -> Request:
    """A repeatable request for these arguments."""
    return Request(request_id, hashlib.sha256("\0".join(what).encode()).digest()[:8])
