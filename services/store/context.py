"""What every servicer works with: the platform's parts, and who calls.

The service token names the caller's role and limits its RPCs; the session token
names the principal and the account it acts as. Owner (the request's `account`)
and principal are separate everywhere; a front end's session may touch its own
account only.
"""

import hashlib
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from services.common.errors import Refused
from services.store.bodies import BodyStore
from services.store.hints import Hints
from services.store.index import keys
from services.store.index.core import REQUEST_ID_SKEW_MS, Request, Scope
from services.store.index.directory import Directory
from services.store.index.index import Index
from services.store.passwords import Passwords
from services.store.throttle import Throttle
from services.store.tokens import SessionClaims, Tokens
from services.store.views import Views

ADMIN = "admin"
RECEIVER = "mx"


@dataclass(frozen=True, slots=True)
class Platform:
    """The parts of one store process."""

    index: Index
    directory: Directory
    bodies: BodyStore
    views: Views
    hints: Hints
    tokens: Tokens
    passwords: Passwords
    throttle: Throttle
    default_domain: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and in whose name."""

    role: str
    session: SessionClaims | None

    def scope(self, account: str) -> Scope:
        """The right to touch an account's mail; Refused otherwise."""
        if not keys.valid_account(account):
            raise Refused("ACCOUNT_NOT_FOUND", "No such account")
        if self.role == ADMIN and self.session is None:
            return Scope(account)
        if self.session is None:
            raise Refused("SESSION_ENDED", "A session is needed")
        if self.session.account != account:
            raise Refused("PERMISSION_DENIED", "Not your account")
        return Scope(account, str(self.session.epoch))


def caller(platform: Platform, context: Any, roles: Collection[str]) -> Caller:
    """Who makes this call; Refused when the role may not, or a token is bad."""
    metadata = dict(context.invocation_metadata())
    role = platform.tokens.service_role(str(metadata.get("authorization", "")))
    if role not in roles and role != ADMIN:
        raise Refused("PERMISSION_DENIED", "This service may not do that")
    token = metadata.get("buuta-session")
    session = platform.tokens.verify(str(token), time.time()) if token else None
    return Caller(role, session)


async def sender(platform: Platform, context: Any, roles: Collection[str]) -> Caller:
    """Who hands in a message: a receiving server by its role, everybody else for a session that goes on."""
    who = caller(platform, context, roles)
    if who.session is not None:
        if await platform.index.account(who.session.account, str(who.session.epoch)) is None:
            raise Refused("SESSION_ENDED", "The account is gone")
    elif who.role not in (ADMIN, RECEIVER):
        raise Refused("SESSION_ENDED", "A session is needed")
    return who


def request_of(message: Any) -> Request:
    """The request id of a mutation and a digest of its type and arguments; Refused for a bad id."""
    identity: bytes = message.request_id
    if len(identity) != 16:
        raise Refused("INVALID_ARGUMENT", "request_id must have 16 octets")
    made = int.from_bytes(identity[:6], "big")
    if abs(made - time.time() * 1000) > REQUEST_ID_SKEW_MS:
        raise Refused("INVALID_ARGUMENT", "request_id is no ULID of the last minutes")
    digest = hashlib.sha256(message.DESCRIPTOR.full_name.encode())
    digest.update(message.SerializeToString(deterministic=True))
    return Request(identity, digest.digest()[:8])
