"""AccountService: domains, accounts, addresses, passwords (`proto/buuta/v1/account.proto`).

An account and its address live in different shards: the address is claimed,
the account is created, the claim is settled. Every step can be repeated, and
the account's id comes from the request id, so a retry after any crash ends
with one account.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from buuta.v1 import account_pb2 as pb
from buuta.v1 import account_pb2_grpc
from services.common.errors import Fault, Refused, SyntaxFault
from services.common.protocol.address import normalise, parse_domain
from services.store.context import Platform, caller, request_of
from services.store.index import keys
from services.store.index.accounts import AccountHeader
from services.store.status import rpc, status_of

MAX_BATCH = 256
DEFAULT_PAGE, MAX_PAGE = 1000, 10_000
MAX_ALIASES = 1000  # they are read with every login
AT_ONCE = 32  # accounts of a batch in work together


class AccountService(account_pb2_grpc.AccountServiceServicer):
    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._index, self._directory = platform.index, platform.directory

    def _admin(self, context: Any) -> None:
        if caller(self._platform, context, ()).session is not None:
            raise Refused("PERMISSION_DENIED", "Only an administrator may do that")

    # -- domains ------------------------------------------------------------------------

    @rpc
    async def CreateDomain(self, request: pb.CreateDomainRequest, context: Any) -> pb.CreateDomainResponse:
        self._admin(context)
        name = _domain(request.name)
        created = await self._index.set_domain(request_of(request).id, name, True)
        return pb.CreateDomainResponse(domain=_domain_message(name, created))

    @rpc
    async def ListDomains(self, request: pb.ListDomainsRequest, context: Any) -> pb.ListDomainsResponse:
        self._admin(context)
        found = await self._index.domains()
        return pb.ListDomainsResponse(
            domains=[_domain_message(name, created) for name, created in sorted(found.items())]
        )

    @rpc
    async def DeleteDomain(self, request: pb.DeleteDomainRequest, context: Any) -> pb.DeleteDomainResponse:
        self._admin(context)
        name, identity = _domain(request.name), request_of(request).id
        async for _ in self._accounts_of(name, "", primary=False):
            raise Refused("DOMAIN_NOT_EMPTY", "The domain has accounts")
        await self._index.set_domain(identity, name, False)
        return pb.DeleteDomainResponse()

    # -- accounts -----------------------------------------------------------------------

    @rpc
    async def CreateAccount(self, request: pb.CreateAccountRequest, context: Any) -> pb.CreateAccountResponse:
        self._admin(context)
        identity = request_of(request).id
        account = await self._create(identity, request.address, request.password)
        return pb.CreateAccountResponse(account=account)

    @rpc
    async def BatchCreateAccounts(
        self, request: pb.BatchCreateAccountsRequest, context: Any
    ) -> pb.BatchCreateAccountsResponse:
        self._admin(context)
        identity = request_of(request).id
        if len(request.entries) > MAX_BATCH:
            raise Refused("INVALID_ARGUMENT", "At most 256 accounts a call")
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(place: int, entry: pb.BatchCreateAccountsRequest.Entry) -> Any:
            own = identity[:6] + hashlib.sha256(identity + place.to_bytes(4, "big")).digest()[:10]
            async with gate:
                try:
                    account = await self._create(own, entry.address, entry.password)
                except Fault as fault:
                    code, _, text = status_of(fault)
                    return pb.BatchCreateAccountsResponse.Result(error=text, code=code.value[0])
            return pb.BatchCreateAccountsResponse.Result(account=account)

        results = await asyncio.gather(*(one(place, entry) for place, entry in enumerate(request.entries)))
        return pb.BatchCreateAccountsResponse(results=results)

    async def _create(self, identity: bytes, text: str, password: pb.Password) -> pb.Account:
        address = _address(text)
        domain = address.rpartition("@")[2]
        if domain not in await self._index.domains():
            raise Refused("DOMAIN_NOT_FOUND", f"{domain} is not a domain of this platform")
        credential = await self._credential(password)
        account = self._index.account_id_for(identity)
        await self._directory.claim(address, account, address)
        await self._index.create_account(identity, account, address, credential)
        header = await self._index.account(account)
        if header is None or header.address != address:
            if header is None or address not in header.aliases:
                await self._directory.drop(address, account)
            raise Refused("REQUEST_ID", "The request id was used with other arguments")
        await self._directory.settle(address, account, address)
        return _account_message(account, header)

    async def _credential(self, password: pb.Password) -> str:
        match password.WhichOneof("value"):
            case "clear":
                return await self._platform.passwords.hash(password.clear.encode())
            case "hash":
                return self._platform.passwords.checked(password.hash)
            case _:
                raise Refused("INVALID_ARGUMENT", "A password is needed")

    @rpc
    async def GetAccount(self, request: pb.GetAccountRequest, context: Any) -> pb.GetAccountResponse:
        self._admin(context)
        account = request.account
        if not account:
            found = await self._directory.find(_address(request.address))
            account = found.account if found else ""
        return pb.GetAccountResponse(account=_account_message(account, await self._header(account)))

    @rpc
    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Any) -> pb.ListAccountsResponse:
        self._admin(context)
        size = min(request.page_size or DEFAULT_PAGE, MAX_PAGE)
        if size < 0:
            raise Refused("INVALID_ARGUMENT", "page_size cannot be negative")
        domains = [_domain(request.domain)] if request.domain else sorted(await self._index.domains())
        after = request.page_token
        start = after.rpartition("@")[2]
        response = pb.ListAccountsResponse()
        for domain in domains:
            if domain < start:
                continue
            behind = after if domain == start else ""
            async for account, header in self._accounts_of(domain, behind, primary=True):
                if len(response.accounts) == size:
                    response.next_page_token = response.accounts[-1].address
                    return response
                response.accounts.append(_account_message(account, header))
        return response

    async def _accounts_of(
        self, domain: str, after: str, primary: bool
    ) -> AsyncIterator[tuple[str, AccountHeader]]:
        """Accounts with an address in a domain; what the list has and the account has not is left out."""
        while found := await self._directory.addresses(domain, after, DEFAULT_PAGE):
            headers = await asyncio.gather(*(self._index.account(account) for _, account in found))
            for (address, account), header in zip(found, headers, strict=True):
                if header is None:
                    continue
                if address == header.address or (not primary and address in header.aliases):
                    yield account, header
            after = found[-1][0]

    @rpc
    async def DeleteAccount(self, request: pb.DeleteAccountRequest, context: Any) -> pb.DeleteAccountResponse:
        self._admin(context)
        identity = request_of(request).id
        if not keys.valid_account(request.account):
            raise Refused("ACCOUNT_NOT_FOUND", "No such account")
        # What a deleted account keeps until its mail is gone: a repeat finishes what a crash left.
        addresses = await self._index.addresses_of(request.account)
        try:
            await self._index.delete_account(identity, request.account)
        except Refused as refused:
            if refused.reason == "ACCOUNT_NOT_FOUND":
                await self._drop(addresses, request.account)
            raise
        await self._drop(addresses, request.account)
        return pb.DeleteAccountResponse()

    async def _drop(self, addresses: list[str], account: str) -> None:
        await asyncio.gather(*(self._directory.drop(address, account) for address in addresses))

    @rpc
    async def SetPassword(self, request: pb.SetPasswordRequest, context: Any) -> pb.SetPasswordResponse:
        self._admin(context)
        identity = request_of(request).id
        await self._header(request.account)
        credential = await self._credential(request.password)
        await self._index.set_password(identity, request.account, credential)
        return pb.SetPasswordResponse()

    # -- further addresses --------------------------------------------------------------

    @rpc
    async def CreateAlias(self, request: pb.CreateAliasRequest, context: Any) -> pb.CreateAliasResponse:
        self._admin(context)
        identity, address = request_of(request).id, _address(request.address)
        if address.rpartition("@")[2] not in await self._index.domains():
            raise Refused("DOMAIN_NOT_FOUND", "Not a domain of this platform")
        header = await self._header(request.account)
        if address in (header.address, *header.aliases):
            await self._directory.settle(address, request.account, header.address)
            return pb.CreateAliasResponse()
        if len(header.aliases) >= MAX_ALIASES:
            raise Refused("LIMIT", "Too many addresses for one account")
        await self._directory.claim(address, request.account, header.address)
        await self._index.set_addresses(identity, request.account, add=address)
        await self._directory.settle(address, request.account, header.address)
        return pb.CreateAliasResponse()

    @rpc
    async def DeleteAlias(self, request: pb.DeleteAliasRequest, context: Any) -> pb.DeleteAliasResponse:
        self._admin(context)
        identity, address = request_of(request).id, _address(request.address)
        header = await self._header(request.account)
        if address == header.address:
            raise Refused("PRIMARY_ADDRESS", "The primary address stays until the account goes")
        if address in header.aliases:
            await self._index.set_addresses(identity, request.account, remove=address)
        await self._directory.drop(address, request.account)
        return pb.DeleteAliasResponse()

    async def _header(self, account: str) -> AccountHeader:
        header = await self._index.account(account)
        if header is None:
            raise Refused("ACCOUNT_NOT_FOUND", "No such account")
        return header


def _address(text: str) -> str:
    try:
        address = normalise(text)
    except SyntaxFault as fault:
        raise Refused("ADDRESS", f"{text}: {fault.text}") from fault
    if "+" in address.rpartition("@")[0]:
        raise Refused("ADDRESS", "An address with + belongs to the one without")
    return address


def _domain(text: str) -> str:
    try:
        name = parse_domain(text)
    except SyntaxFault as fault:
        raise Refused("ADDRESS", f"{text}: {fault.text}") from fault
    if name.startswith("["):
        raise Refused("ADDRESS", "A domain has a name")
    return name


def _domain_message(name: str, created: int) -> pb.Domain:
    message = pb.Domain(name=name)
    message.create_time.FromMilliseconds(created)
    return message


def _account_message(account: str, header: AccountHeader) -> pb.Account:
    message = pb.Account(id=account, address=header.address, aliases=header.aliases)
    message.create_time.FromMilliseconds(header.create_time)
    return message
