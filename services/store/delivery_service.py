"""DeliveryService: what a receiving SMTP server needs (`proto/buuta/v1/delivery.proto`).

One message for several accounts has one body. Who shares it is written before
any index entry is and only shrinks, so that the last account's collector, and
none before it, deletes the body.
"""

import asyncio
import hashlib
from typing import Any

from buuta.v1 import delivery_pb2 as pb
from buuta.v1 import delivery_pb2_grpc
from services.common.errors import Refused
from services.store.context import Platform, caller, request_of
from services.store.incoming import Intake, now_date
from services.store.index import keys
from services.store.index.core import Request, Scope
from services.store.index.messages import Appended, NewMessage
from services.store.index.record import SHARED
from services.store.mailbox_service import normal_name
from services.store.status import rpc
from services.store.summary import decode_wire

ROLES = frozenset({"mx", "submission"})
MAX_RECIPIENTS = 1000
DEDUPE_LENGTH = 16


class DeliveryService(delivery_pb2_grpc.DeliveryServiceServicer):
    def __init__(self, platform: Platform, intake: Intake) -> None:
        self._platform, self._intake = platform, intake
        self._index = platform.index

    @rpc
    async def ResolveRecipient(
        self, request: pb.ResolveRecipientRequest, context: Any
    ) -> pb.ResolveRecipientResponse:
        caller(self._platform, context, ROLES)
        found = await self._platform.directory.resolve(request.address)
        return pb.ResolveRecipientResponse(account=found.account, address=found.address)

    @rpc
    async def Deliver(self, request: pb.DeliverRequest, context: Any) -> pb.DeliverResponse:
        caller(self._platform, context, ROLES)
        repeatable = request_of(request)
        if not 1 <= len(request.recipients) <= MAX_RECIPIENTS:
            raise Refused("INVALID_ARGUMENT", "1 to 1,000 recipients")
        targets = list(
            dict.fromkeys((r.account, normal_name(r.mailbox) or "INBOX") for r in request.recipients)
        )
        if not all(keys.valid_account(account) for account, _ in targets):
            raise Refused("INVALID_ARGUMENT", "a recipient is no account id")
        await self._index.check_room()
        incoming = await self._intake.source(repeatable.id, 0, request.message)
        accounts = sorted({account for account, _ in targets})
        if len(accounts) > 1:
            await self._index.write_references(incoming.body, accounts)
        key = request.dedupe_key[:DEDUPE_LENGTH] if _has_message_id(incoming.summary) else b""
        message = NewMessage(
            incoming.body,
            incoming.size,
            now_date(),
            incoming.summary,
            SHARED if len(accounts) > 1 else 0,
        )
        done = await self._to_all(repeatable, targets, message, key)
        if all(appended is not None and appended.duplicate for appended in done.values()):
            await self._platform.bodies.delete([incoming.body])
        return pb.DeliverResponse(
            results=[
                _result(done[(r.account, normal_name(r.mailbox) or "INBOX")]) for r in request.recipients
            ]
        )

    async def _to_all(
        self, request: Request, targets: list[tuple[str, str]], message: NewMessage, key: bytes
    ) -> dict[tuple[str, str], Appended | None]:
        """Each account's step is repeatable by itself; a failure of one is reported after all were tried."""
        outcomes = await asyncio.gather(
            *(self._to_one(request, account, mailbox, message, key) for account, mailbox in targets),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return dict(zip(targets, outcomes, strict=True))  # type: ignore[arg-type]  # no exceptions are left

    async def _to_one(
        self, request: Request, account: str, mailbox: str, message: NewMessage, key: bytes
    ) -> Appended | None:
        """None: the account is gone. A mailbox that is not there means INBOX."""
        tail = hashlib.sha256(request.id + mailbox.encode()).digest()[:10]
        step = Request(request.id[:6] + tail, request.digest)
        try:
            return await self._index.append(Scope(account), step, mailbox, [message], key)
        except Refused as refused:
            if refused.reason == "MAILBOX_NOT_FOUND" and mailbox != "INBOX":
                return await self._index.append(Scope(account), step, "INBOX", [message], key)
            if refused.reason != "ACCOUNT_NOT_FOUND":
                raise
        if message.flags & SHARED:
            await self._index.drop_reference(message.body, account)
        return None


def _result(appended: Appended | None) -> pb.DeliverResponse.Result:
    if appended is None:
        return pb.DeliverResponse.Result()
    uid = int.from_bytes(appended.uids[:4], "little")
    return pb.DeliverResponse.Result(uid=uid, duplicate=appended.duplicate)


def _has_message_id(summary: bytes) -> bool:
    """The Message-ID is the last field of ENVELOPE (RFC 9051 §7.5.2)."""
    return not decode_wire(summary)[0].endswith(b"NIL)")
