"""Passwords: argon2id in a pool of threads, and a memory of those that were verified.

Verifying costs tens of milliseconds by intent. A password that was right is
remembered for a while as a keyed digest, together with the credential's epoch,
so that a client which logs in every minute does not cost that each time.
"""

import asyncio
import hashlib
import os
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from services.common.errors import Refused

# OWASP's second choice for argon2id: 19 MiB, two passes, one lane.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, type=Type.ID)
REMEMBER_SECONDS = 600.0
REMEMBERED = 20_000
MAX_PASSWORD = 1024
MAX_HASH = 512
# Every login of the account pays this: no more than the strictest advice of RFC 9106 §4 (2 GiB, one pass)
# halved, so that a few at a time fit into a container.
MAX_MEMORY_KIB, MAX_PASSES = 1024 * 1024, 16


class Passwords:
    """Hashes and verifies for one store process."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(b"verified passwords " + key.encode()).digest()
        self._pool = ThreadPoolExecutor(max(2, os.cpu_count() or 2), "argon2")
        self._verified: OrderedDict[bytes, float] = OrderedDict()
        # What an unknown user's password is verified against, so that the work is the same.
        self._nobody = HASHER.hash(os.urandom(16))

    async def hash(self, password: bytes) -> str:
        """A credential for a password in clear."""
        if not 0 < len(password) <= MAX_PASSWORD:
            raise Refused("INVALID_ARGUMENT", "A password has 1 to 1,024 octets")
        return await asyncio.get_running_loop().run_in_executor(self._pool, HASHER.hash, password)

    def checked(self, credential: str) -> str:
        """A ready argon2 credential; Refused for anything else."""
        try:
            found = extract_parameters(credential[: MAX_HASH + 1])
        except InvalidHashError:
            raise Refused("INVALID_ARGUMENT", "A password hash is an argon2 string") from None
        if found.type is not Type.ID or len(credential) > MAX_HASH:
            raise Refused("INVALID_ARGUMENT", "A password hash is an argon2id string")
        if found.memory_cost > MAX_MEMORY_KIB or found.time_cost > MAX_PASSES:
            raise Refused("INVALID_ARGUMENT", "The password hash is too costly to verify")
        return credential

    async def verify(self, account: str, epoch: int, credential: str, password: bytes) -> bool:
        """Whether this is the password of the account's credential of this epoch."""
        mark = hashlib.blake2b(f"{account}/{epoch}/".encode() + password, key=self._key).digest()
        now = time.monotonic()
        if self._verified.get(mark, 0.0) > now:
            return True
        loop = asyncio.get_running_loop()
        if len(password) > MAX_PASSWORD or not await loop.run_in_executor(
            self._pool, _verify, credential, password
        ):
            return False
        self._verified[mark] = now + REMEMBER_SECONDS
        while len(self._verified) > REMEMBERED:
            self._verified.popitem(last=False)
        return True

    async def verify_nobody(self, password: bytes) -> None:
        """The work of `verify` for a user that does not exist."""
        await asyncio.get_running_loop().run_in_executor(
            self._pool, _verify, self._nobody, password[:MAX_PASSWORD]
        )


def _verify(credential: str, password: bytes) -> bool:
    try:
        return HASHER.verify(credential, password)
    except (VerificationError, InvalidHashError):
        return False
