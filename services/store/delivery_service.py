"""DeliveryService: what a receiving SMTP server needs (`proto/buuta/v1/delivery.proto`).

One message for several accounts has one body. Who shares it is written before
any index entry is and only shrinks, so that the last account's collector, and
none before it, deletes the body.
"""

import asyncio
from typing import Any

from buuta.v1 import delivery_pb2 as pb
from buuta.v1 import delivery_pb2_grpc
from services.common.errors import Refused, SyntaxFault
from services.common.protocol.address import normalise
from services.store.context import ADMIN, RECEIVER, Platform, caller, request_of, sender
from services.store.incoming import Intake, now_date
from services.store.index import keys
from services.store.index.core import Request, Scope
from services.store.index.messages import Appended, NewMessage
from services.store.index.record import SHARED
from services.store.mailbox_service import normal_name
from services.store.status import rpc

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
        who = caller(self._platform, context, ROLES)
        if who.session is None and who.role not in (ADMIN, RECEIVER):
            raise Refused("SESSION_ENDED", "A session is needed")
        try:
            # "postmaster", and nobody else, needs no domain (RFC 5321 §4.1.1.3).
            alone = request.address.lower() == "postmaster"
            address = normalise(request.address + (f"@{self._platform.default_domain}" if alone else ""))
        except SyntaxFault as fault:
            raise Refused("ADDRESS", fault.text) from fault
        found = await self._platform.directory.resolve(address)
        return pb.ResolveRecipientResponse(account=found.account, address=found.address)

    @rpc
    async def Deliver(self, request: pb.DeliverRequest, context: Any) -> pb.DeliverResponse:
        await sender(self._platform, context, ROLES)
        repeatable, targets = request_of(request), _targets(request)
        if request.dedupe_key and len(request.dedupe_key) < DEDUPE_LENGTH:
            raise Refused("INVALID_ARGUMENT", "dedupe_key has at least 16 octets")
        await self._index.check_room()
        incoming = await self._intake.source(repeatable, 0, request.message)
        shared = len(targets) > 1
        if shared:
            await self._index.write_references(incoming.body, sorted(targets))
        key = request.dedupe_key[:DEDUPE_LENGTH] if incoming.has_message_id else b""
        flags = SHARED if shared else 0
        message = NewMessage(incoming.body, incoming.size, now_date(), incoming.summary, flags)
        done = await self._to_all(repeatable, targets, message, key)
        without = [account for account, appended in done.items() if appended is None or appended.duplicate]
        await self._leave_out(incoming.body, without, len(targets))
        return pb.DeliverResponse(results=[_result(done[r.account]) for r in request.recipients])

    async def _to_all(
        self, request: Request, targets: dict[str, str], message: NewMessage, key: bytes
    ) -> dict[str, Appended | None]:
        """Each account's step is repeatable by itself; a failure of one is reported after all were tried."""
        if len(targets) == 1:
            [(account, mailbox)] = targets.items()
            return {account: await self._to_one(request, account, mailbox, message, key)}
        outcomes = await asyncio.gather(
            *(self._to_one(request, account, mailbox, message, key) for account, mailbox in targets.items()),
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
        try:
            return await self._index.append(Scope(account), request, mailbox, [message], key)
        except Refused as refused:
            if refused.reason == "MAILBOX_NOT_FOUND" and mailbox != "INBOX":
                return await self._index.append(Scope(account), request, "INBOX", [message], key)
            if refused.reason != "ACCOUNT_NOT_FOUND":
                raise
        return None

    async def _leave_out(self, body: bytes, without: list[str], of: int) -> None:
        """These accounts, of so many, did not take the message; a body that nobody took goes."""
        left = 0 if len(without) == of else of
        if left and of > 1:
            for account in without:
                if await self._index.drop_reference(body, account) == 0:
                    left = 0
        if not left:
            await self._platform.bodies.delete([body])
            if of > 1:
                await self._index.forget_references(body)


def _targets(request: pb.DeliverRequest) -> dict[str, str]:
    """The mailbox by account. An account takes a message once, however often it is named."""
    if not 1 <= len(request.recipients) <= MAX_RECIPIENTS:
        raise Refused("INVALID_ARGUMENT", "1 to 1,000 recipients")
    targets: dict[str, str] = {}
    for recipient in request.recipients:
        if not keys.valid_account(recipient.account):
            raise Refused("INVALID_ARGUMENT", "a recipient is no account id")
        targets.setdefault(recipient.account, normal_name(recipient.mailbox) or "INBOX")
    return targets


def _result(appended: Appended | None) -> pb.DeliverResponse.Result:
    if appended is None:
        return pb.DeliverResponse.Result()
    uid = int.from_bytes(appended.uids[:4], "little")
    return pb.DeliverResponse.Result(uid=uid, duplicate=appended.duplicate)
