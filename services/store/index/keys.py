"""Names of Redis keys; `docs/redis.md` describes what each holds.

Everything of one account, and what belongs to many accounts of one shard,
carries the shard's hash tag `{s0421}` and so lives in one slot.
"""

import binascii
import functools
import re
import secrets

SHARDS = 1024  # fixed for ever when a platform is initialised
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32
PLATFORM = b"{s0000}:platform"
ACCOUNT_ID_LENGTH = 16
VALUES = {character: value for value, character in enumerate(ALPHABET)}
# Three characters of shard, of which the first is 0, and thirteen more.
_ACCOUNT = re.compile(r"0[0-9a-hj-km-np-tv-z]{15}").fullmatch


def tag(shard: int) -> bytes:
    return b"{s%04d}" % shard


def account_id(shard: int, digits: bytes) -> str:
    """An account id: three characters of shard, thirteen of `digits` (at least 8 octets)."""
    number = int.from_bytes(digits[:8], "big") << 1
    tail = "".join(ALPHABET[(number >> shift) & 31] for shift in range(60, -1, -5))
    return ALPHABET[shard >> 10 & 31] + ALPHABET[shard >> 5 & 31] + ALPHABET[shard & 31] + tail


def new_account_id() -> str:
    return account_id(secrets.randbelow(SHARDS), secrets.token_bytes(8))


def valid_account(account: str) -> bool:
    return _ACCOUNT(account) is not None


def shard_of(account: str) -> int:
    """Of a valid account."""
    return VALUES[account[1]] << 5 | VALUES[account[2]]


@functools.lru_cache(4096)
def account_key(account: str) -> bytes:
    """The account's header; all its keys begin with this."""
    return tag(shard_of(account)) + b":a:" + account.encode()


def page_key(account: str, mailbox: int, page: int) -> bytes:
    return b"%b:p:%d:%d" % (account_key(account), mailbox, page)


def summary_key(account: str, mailbox: int, page: int) -> bytes:
    return b"%b:s:%d:%d" % (account_key(account), mailbox, page)


def operation_key(account: str, name: str) -> bytes:
    """The record of a larger command."""
    return tag(shard_of(account)) + b":op:" + name.encode()


def shard_of_text(text: bytes) -> int:
    """The shard of what belongs to no account: an address, a body shared by accounts."""
    return binascii.crc32(text) % SHARDS
