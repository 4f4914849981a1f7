"""What a login gives: a short-lived token that speaks for one account, renewed before it expires."""

import time
import weakref

from google.protobuf.timestamp_pb2 import Timestamp

# A token is renewed when a third of its life is left, and never used in its last second.
RENEW_AT = 1 / 3


class StoreSession:
    """One login. Calls made with it act for its account."""

    __slots__ = ("__weakref__", "account", "address", "aliases", "ended", "expire_time", "life", "token")

    def __init__(
        self, token: str, expire_time: float, account: str, address: str, aliases: tuple[str, ...] = ()
    ) -> None:
        self.account = account  # id of the account acted as
        self.address = address  # its primary address
        self.aliases = aliases  # its further addresses
        self.ended = False  # the store refused to renew it: the password has changed, or the account is gone
        self.renew(token, expire_time)

    def renew(self, token: str, expire_time: float) -> None:
        self.token, self.expire_time = token, expire_time
        self.life = max(expire_time - time.time(), 0.0)

    @property
    def due(self) -> bool:
        """Whether the token wants to be renewed."""
        return not self.ended and self.expire_time - time.time() < self.life * RENEW_AT

    def __repr__(self) -> str:
        return f"StoreSession(account={self.account!r})"  # never the token


# All sessions of a process that somebody still holds.
Sessions = weakref.WeakSet[StoreSession]


def seconds_of(stamp: Timestamp) -> float:
    """Unix time of an API timestamp."""
    return stamp.seconds + stamp.nanos / 1e9
