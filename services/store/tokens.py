"""Everything the store signs: session tokens, service tokens, upload handles.

All are under CLUSTER_KEY or keys derived from it, so that every store checks
them by itself. A session token says who acts as whom until when; whether
its epoch is still the account's is checked where the account is read.
"""

import base64
import binascii
import hashlib
import hmac
import json
import struct
from dataclasses import dataclass

from services.common.errors import Refused

SESSION_SECONDS = 3600
ROLES = frozenset({"mx", "submission", "pop3", "imap", "admin"})
REMEMBERED = 20_000  # tokens
SIGNATURE = 16  # octets: 128 bits
HANDLE = struct.Struct("<16sQd")


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """What a session token says."""

    account: str  # acted as
    principal: str  # the account whose password was given
    epoch: int  # of the account's credential
    address: str
    expires: float  # Unix seconds


@dataclass(frozen=True, slots=True)
class UploadHandle:
    """What an upload handle says."""

    body: bytes
    size: int
    summary: bytes


class Tokens:
    """Signs and checks for one platform."""

    def __init__(self, cluster_key: str) -> None:
        self._services = {role: service_token(cluster_key, role) for role in ROLES}
        self._usual = {f"Bearer {token}": role for role, token in self._services.items()}
        self._keys = {
            purpose: hmac.digest(cluster_key.encode(), b"buuta " + purpose, hashlib.sha256)
            for purpose in (b"session", b"upload")
        }
        # A session's token comes with each of its calls: those whose signature is right are remembered.
        self._claims: dict[str, SessionClaims] = {}

    def _sign(self, purpose: bytes, data: bytes) -> bytes:
        return hashlib.blake2b(data, key=self._keys[purpose], digest_size=SIGNATURE).digest()

    # -- services -----------------------------------------------------------------------

    def service_token(self, role: str) -> str:
        """The token of a role; front ends get it as SERVICE_TOKEN."""
        return self._services[role]

    def service_role(self, authorization: str) -> str:
        """The role of `Bearer <token>`; Refused(SERVICE_TOKEN) otherwise."""
        if usual := self._usual.get(authorization):
            return usual
        scheme, _, token = authorization.partition(" ")
        role = token.partition(":")[0]
        known = role in ROLES and hmac.compare_digest(self._services[role].encode(), token.encode())
        if scheme.lower() != "bearer" or not known:
            raise Refused("SERVICE_TOKEN", "A valid service token is needed")
        return role

    # -- sessions -----------------------------------------------------------------------

    def issue(self, claims: SessionClaims) -> str:
        data = json.dumps(
            [claims.account, claims.principal, claims.epoch, claims.address, claims.expires]
        ).encode()
        token = base64.urlsafe_b64encode(self._sign(b"session", data) + data).decode()
        self._remember(token, claims)
        return token

    def verify(self, token: str, now: float) -> SessionClaims:
        """The claims of a token; Refused(SESSION_ENDED) for a false or an expired one."""
        claims = self._claims.get(token)
        if claims is None:
            claims = self._signed(token)
            self._remember(token, claims)
        if claims.expires <= now:
            raise Refused("SESSION_ENDED", "The session has expired")
        return claims

    def _remember(self, token: str, claims: SessionClaims) -> None:
        if len(self._claims) >= REMEMBERED:
            del self._claims[next(iter(self._claims))]  # the oldest
        self._claims[token] = claims

    def _signed(self, token: str) -> SessionClaims:
        """The claims of a token that is ours, expired or not."""
        try:
            raw = base64.b64decode(token, b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        signature, data = raw[:SIGNATURE], raw[SIGNATURE:]
        if not data or not hmac.compare_digest(signature, self._sign(b"session", data)):
            raise Refused("SESSION_ENDED", "The session token is not valid")
        return SessionClaims(*json.loads(data))

    # -- uploads ------------------------------------------------------------------------

    def seal_upload(self, body: bytes, size: int, summary: bytes, expires: float) -> bytes:
        data = HANDLE.pack(body, size, expires) + summary
        return self._sign(b"upload", data) + data

    def open_upload(self, handle: bytes, now: float) -> UploadHandle:
        """Refused(UPLOAD_HANDLE) for a false or an expired one."""
        signature, data = handle[:SIGNATURE], handle[SIGNATURE:]
        if len(data) < HANDLE.size or not hmac.compare_digest(signature, self._sign(b"upload", data)):
            raise Refused("UPLOAD_HANDLE", "The upload handle is not valid")
        body, size, expires = HANDLE.unpack_from(data)
        if expires <= now:
            raise Refused("UPLOAD_HANDLE", "The upload has expired")
        return UploadHandle(body, size, data[HANDLE.size :])


def service_token(cluster_key: str, role: str) -> str:
    """`role:` and the hexadecimal HMAC-SHA256 of the role under the cluster key."""
    return f"{role}:{hmac.digest(cluster_key.encode(), role.encode(), hashlib.sha256).hex()}"
