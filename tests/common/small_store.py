"""Real gRPC servers for tests of the client side: a few RPCs that fail in the ways a store can.

Effects are kept by request id in a Ledger that several servers share, as the
replicas of a store share Redis. What a server does with its next calls is
scripted with `behave`.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2

from buuta.v1 import (
    auth_pb2,
    auth_pb2_grpc,
    call_pb2_grpc,
    change_pb2,
    change_pb2_grpc,
    mailbox_pb2,
    mailbox_pb2_grpc,
    message_pb2,
    message_pb2_grpc,
)
from services.common.grpc_options import SERVER_OPTIONS
from services.store.call_service import CallService, methods_of


class Ledger:
    """What all replicas know: replies by request id, in order of their first commit."""

    def __init__(self) -> None:
        self.committed: dict[bytes, Any] = {}
        self.uploads: dict[bytes, bytes] = {}
        self.seen: list[tuple[str, str, bytes]] = []  # (server, RPC, request id) of every call
        self.metadata: list[dict[str, str]] = []
        self.life = 600.0  # seconds a session token lives
        self.renewals = 0
        self.seq = 1


async def refuse(context: Any, code: grpc.StatusCode, text: str, reason: str = "") -> None:
    """Abort with a status, with ErrorInfo where there is a reason."""
    trailing: tuple[tuple[str, bytes], ...] = ()
    if reason:
        detail = AnyMessage()
        detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="buuta"))
        status = status_pb2.Status(code=code.value[0], message=text, details=[detail])
        trailing = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(code, text, trailing)


class SmallStore(
    mailbox_pb2_grpc.MailboxServiceServicer,
    message_pb2_grpc.MessageServiceServicer,
    auth_pb2_grpc.AuthServiceServicer,
    change_pb2_grpc.ChangeServiceServicer,
):
    """One replica; without `pipes` it is older than CallService.

    Behaviours: `down`, `lost` (commits, then fails), `hang`, `refuse`, `broken`, `stranger` (does not
    know our token), `late` (fails after the first response of a stream), `large`, `ended`; none left:
    it works.
    """

    pipes = True

    def __init__(self, name: str, ledger: Ledger, port: int = 0) -> None:
        self.name, self.ledger = name, ledger
        self.port = port
        self._behaviour: deque[str] = deque()
        self._server: grpc.aio.Server | None = None
        self.watchers: list[asyncio.Queue[change_pb2.WatchHintsResponse]] = []
        self.watched: list[tuple[str, str]] = []  # (account, token), as added
        self.removed: list[str] = []

    def behave(self, *words: str) -> None:
        self._behaviour.extend(words)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        server = grpc.aio.server(options=SERVER_OPTIONS)
        mailbox_pb2_grpc.add_MailboxServiceServicer_to_server(self, server)
        message_pb2_grpc.add_MessageServiceServicer_to_server(self, server)
        auth_pb2_grpc.add_AuthServiceServicer_to_server(self, server)
        change_pb2_grpc.add_ChangeServiceServicer_to_server(self, server)
        if self.pipes:
            files = (mailbox_pb2.DESCRIPTOR, auth_pb2.DESCRIPTOR)
            self.calls = CallService(methods_of((file, self) for file in files), lambda context: None)
            call_pb2_grpc.add_CallServiceServicer_to_server(self.calls, server)
        self.port = server.add_insecure_port(self.endpoint)
        await server.start()
        self._server = server
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        await self._server.stop(None)

    def _note(self, rpc: str, request_id: bytes, context: Any) -> str:
        self.ledger.seen.append((self.name, rpc, request_id))
        self.ledger.metadata.append(dict(context.invocation_metadata()))
        return self._behaviour.popleft() if self._behaviour else ""

    async def _before(self, word: str, context: Any) -> None:
        if word == "down":
            await refuse(context, grpc.StatusCode.UNAVAILABLE, "down")
        elif word == "hang":
            await asyncio.Event().wait()
        elif word == "refuse":
            await refuse(context, grpc.StatusCode.ALREADY_EXISTS, "It is there", "MAILBOX_EXISTS")
        elif word == "stranger":
            await refuse(context, grpc.StatusCode.UNAUTHENTICATED, "Who are you?", "SERVICE_TOKEN")
        elif word == "broken":
            raise RuntimeError("a defect of the store")

    # The names of RPCs are the API's.

    async def CreateMailbox(self, request: Any, context: Any) -> Any:
        word = self._note("CreateMailbox", request.request_id, context)
        await self._before(word, context)
        reply = mailbox_pb2.CreateMailboxResponse(mailbox=mailbox_pb2.Mailbox(name=request.name))
        reply.mailbox.id = len(self.ledger.committed) + 1
        reply = self.ledger.committed.setdefault(request.request_id, reply)
        if word == "lost":
            await refuse(context, grpc.StatusCode.UNAVAILABLE, "lost")
        return reply

    async def SyncMailbox(self, request: Any, context: Any) -> Any:
        await self._before(self._note("SyncMailbox", request.request_id, context), context)
        return mailbox_pb2.SyncMailboxResponse()

    async def FetchMessages(self, request: Any, context: Any) -> AsyncIterator[Any]:
        word = self._note("FetchMessages", b"", context)
        await self._before(word, context)
        for number in range(3):
            yield message_pb2.FetchMessagesResponse(previews=[b"%d" % number])
            if word == "late":
                await refuse(context, grpc.StatusCode.UNAVAILABLE, "late")

    async def Upload(self, requests: Any, context: Any) -> Any:
        first = await anext(aiter(requests))
        word = self._note("Upload", first.request_id, context)
        await self._before(word, context)
        octets = bytearray(first.data)
        async for request in requests:
            octets += request.data
            if word == "late" and len(octets) >= 1000:
                await refuse(context, grpc.StatusCode.UNAVAILABLE, "late")
        if word == "large" and len(octets) >= 1000:
            await refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "Too large", "MESSAGE_TOO_LARGE")
        self.ledger.uploads[first.request_id] = bytes(octets)
        if word == "lost":
            await refuse(context, grpc.StatusCode.UNAVAILABLE, "lost")
        return message_pb2.UploadResponse(upload=first.request_id, size=len(octets))

    def _expiry(self) -> Timestamp:
        return Timestamp(nanos=0, seconds=round(time.time() + self.ledger.life))

    async def Authenticate(self, request: Any, context: Any) -> Any:
        await self._before(self._note("Authenticate", b"", context), context)
        if request.password != b"right":
            await refuse(
                context, grpc.StatusCode.UNAUTHENTICATED, "Wrong name or password", "WRONG_CREDENTIALS"
            )
        return auth_pb2.AuthenticateResponse(
            session_token="token0", expire_time=self._expiry(), account="a1", address=request.username
        )

    async def RenewSession(self, request: Any, context: Any) -> Any:
        word = self._note("RenewSession", b"", context)
        if word == "ended":
            await refuse(context, grpc.StatusCode.UNAUTHENTICATED, "Ended", "SESSION_ENDED")
        await self._before(word, context)
        self.ledger.renewals += 1
        return auth_pb2.RenewSessionResponse(
            session_token=f"token{self.ledger.renewals}", expire_time=self._expiry()
        )

    async def WatchHints(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        word = self._note("WatchHints", b"", context)
        await self._before(word, context)
        queue: asyncio.Queue[change_pb2.WatchHintsResponse] = asyncio.Queue()
        self.watchers.append(queue)
        reader = asyncio.create_task(self._read_interests(requests, queue))
        try:
            while True:
                yield await queue.get()
        finally:
            reader.cancel()
            self.watchers.remove(queue)

    async def _read_interests(self, requests: Any, queue: Any) -> None:
        async for request in requests:
            self.removed.extend(request.remove)
            for added in request.add:
                self.watched.append((added.account, added.session_token))
                await queue.put(change_pb2.WatchHintsResponse(hints=[self.hint(added.account)]))

    def hint(self, account: str, ended: bool = False) -> change_pb2.Hint:
        return change_pb2.Hint(account=account, seq=self.ledger.seq, incarnation=b"i", ended=ended)

    def tell(self, account: str, ended: bool = False) -> None:
        """Send a hint to all watchers."""
        for queue in self.watchers:
            queue.put_nowait(change_pb2.WatchHintsResponse(hints=[self.hint(account, ended)]))
