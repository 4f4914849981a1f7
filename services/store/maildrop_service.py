"""MaildropService: INBOX as a POP3 maildrop (`proto/buuta/v1/maildrop.proto`, RFC 1939 §4)."""

import time
from typing import Any

import numpy as np

from buuta.v1 import maildrop_pb2 as pb
from buuta.v1 import maildrop_pb2_grpc
from services.common.errors import Refused
from services.store.columns import read_uids
from services.store.context import Platform, caller, request_of
from services.store.index.core import Scope
from services.store.status import rpc

ROLES = frozenset({"pop3"})
LOCK_SECONDS = 60


class MaildropService(maildrop_pb2_grpc.MaildropServiceServicer):
    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._index = platform.index

    def _scope(self, request: Any, context: Any) -> Scope:
        return caller(self._platform, context, ROLES).scope(request.account)

    @rpc
    async def OpenMaildrop(self, request: pb.OpenMaildropRequest, context: Any) -> pb.OpenMaildropResponse:
        scope = self._scope(request, context)
        lock, expiry = request_of(request).id, _expiry()
        await self._index.lock_maildrop(scope, lock, LOCK_SECONDS * 1000, renew=False)
        view = await self._platform.views.get(scope, 0, "INBOX")
        response = pb.OpenMaildropResponse(
            lock=lock,
            mailbox=view.head.mailbox.id,
            uidvalidity=view.head.mailbox.uidvalidity,
            uids=np.ascontiguousarray(view.live["uid"]).tobytes(),
            sizes=np.ascontiguousarray(view.live["size"]).tobytes(),
        )
        response.expire_time.FromMilliseconds(expiry)
        return response

    @rpc
    async def RenewMaildrop(self, request: pb.RenewMaildropRequest, context: Any) -> pb.RenewMaildropResponse:
        scope, expiry = self._scope(request, context), _expiry()
        await self._index.lock_maildrop(scope, _lock(request), LOCK_SECONDS * 1000, renew=True)
        response = pb.RenewMaildropResponse()
        response.expire_time.FromMilliseconds(expiry)
        return response

    @rpc
    async def CloseMaildrop(self, request: pb.CloseMaildropRequest, context: Any) -> pb.CloseMaildropResponse:
        scope = self._scope(request, context)
        _, gone = await self._index.expunge(
            scope,
            request_of(request),
            request.mailbox,
            read_uids(request.uids),
            force=True,
            lock=_lock(request),
        )
        return pb.CloseMaildropResponse(removed=len(gone))


def _lock(request: Any) -> bytes:
    lock: bytes = request.lock
    if len(lock) != 16:
        raise Refused("MAILDROP_LOCK_LOST", "Not a lock of a maildrop")
    return lock


def _expiry() -> int:
    """Told to the holder: read before the lock is taken, so never later than the lock's own end."""
    return int((time.time() + LOCK_SECONDS) * 1000)
