"""AuthService: credentials to session tokens (`proto/buuta/v1/auth.proto`)."""

import asyncio
import time
from typing import Any

from buuta.v1 import auth_pb2 as pb
from buuta.v1 import auth_pb2_grpc
from services.common.errors import Refused, SyntaxFault
from services.common.protocol.address import normalise
from services.store.context import Platform, caller
from services.store.index.accounts import AccountHeader
from services.store.status import rpc
from services.store.tokens import SESSION_SECONDS, SessionClaims

ROLES = frozenset({"submission", "pop3", "imap"})


class AuthService(auth_pb2_grpc.AuthServiceServicer):
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @rpc
    async def Authenticate(self, request: pb.AuthenticateRequest, context: Any) -> pb.AuthenticateResponse:
        caller(self._platform, context, ROLES)
        _, found = await asyncio.gather(
            self._platform.throttle.check(request.client_address), self._user(request.username)
        )
        if found is None:
            await self._platform.passwords.verify_nobody(request.password)
        account, header = found or ("", None)
        if header is None or not await self._platform.passwords.verify(
            account, header.epoch, header.credential, request.password
        ):
            await self._platform.throttle.failed(request.client_address)
            raise Refused("WRONG_CREDENTIALS", "Wrong user name or password")
        if request.authorization_identity:
            await self._check_identity(request.authorization_identity, account)
        expires = time.time() + SESSION_SECONDS
        claims = SessionClaims(account, account, header.epoch, header.address, expires)
        response = pb.AuthenticateResponse(
            session_token=self._platform.tokens.issue(claims),
            account=account,
            address=header.address,
            aliases=header.aliases,
        )
        response.expire_time.FromMilliseconds(int(expires * 1000))
        return response

    async def _user(self, username: str) -> tuple[str, AccountHeader] | None:
        """The account of a user name: a full address, or a local part in the default domain."""
        address = username if "@" in username else f"{username}@{self._platform.default_domain}"
        try:
            return await self._platform.directory.account(normalise(address))
        except SyntaxFault:
            return None

    async def _check_identity(self, identity: str, account: str) -> None:
        """Only the user's own account can be acted as."""
        other = await self._user(identity)
        if other is None or other[0] != account:
            raise Refused("PERMISSION_DENIED", "You may not act as that user")

    @rpc
    async def RenewSession(self, request: pb.RenewSessionRequest, context: Any) -> pb.RenewSessionResponse:
        caller(self._platform, context, ROLES)
        old = self._platform.tokens.verify(request.session_token, time.time())
        header = await self._platform.index.account(old.account, str(old.epoch))
        if header is None:
            raise Refused("SESSION_ENDED", "The account is gone")
        expires = time.time() + SESSION_SECONDS
        claims = SessionClaims(old.account, old.principal, old.epoch, header.address, expires)
        response = pb.RenewSessionResponse(session_token=self._platform.tokens.issue(claims))
        response.expire_time.FromMilliseconds(int(expires * 1000))
        return response
