"""Names of Redis keys; `docs/redis.md` describes what each holds.

Everything of one account, and what belongs to many accounts of one shard,
carries the shard's hash tag `{s0421}` and so lives in one slot.
"""

import binascii
import secrets

SHARDS = 1024  # fixed for ever when a platform is initialised
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32
PLATFORM = b"{s0000}:platform"
ACCOUNT_ID_LENGTH = 16


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
    return (
        len(account) == ACCOUNT_ID_LENGTH
        and all(c in ALPHABET for c in account)
        and shard_of(account) < SHARDS
    )


def shard_of(account: str) -> int:
    a, b, c = (ALPHABET.index(character) for character in account[:3])
    return a << 10 | b << 5 | c


def account_key(account: str) -> bytes:
    """The account's header; all its keys begin with this."""
    return tag(shard_of(account)) + b":a:" + account.encode()


def page_key(account: str, mailbox: int, page: int) -> bytes:
    return b"%b:p:%d:%d" % (account_key(account), mailbox, page)


def summary_key(account: str, mailbox: int, page: int) -> bytes:
    return b"%b:s:%d:%d" % (account_key(account), mailbox, page)


def shard_of_text(text: bytes) -> int:
    """The shard of what belongs to no account: an address, a body shared by accounts."""
    return binascii.crc32(text) % SHARDS
