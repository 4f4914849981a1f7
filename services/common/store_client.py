"""The store as front ends see it: one object per process, one attribute per service of the API.

`store_calls.py` makes the calls, `store_upload.py` streams messages up,
`replicas.py` knows where the stores are, `store_session.py` is a login. Failures
are Refused or Unavailable; tokens are renewed here, for sessions that are busy
before a call and for idle ones by a task.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
import structlog
from grpc_health.v1 import health_pb2

from buuta.v1 import (
    account_pb2,
    auth_pb2,
    change_pb2,
    delivery_pb2,
    mailbox_pb2,
    maildrop_pb2,
    message_pb2,
)
from services.common.config import Address, parse_addresses
from services.common.errors import Fault, Refused, Unavailable
from services.common.replicas import Replica, Replicas
from services.common.store_calls import Caller, Service
from services.common.store_session import Sessions, StoreSession, seconds_of
from services.common.store_upload import upload

RENEW_INTERVAL = 5.0  # between two looks at the idle sessions
HEALTH_INTERVAL = 2.0
HEALTH_TIMEOUT = 2.0
HEALTH_PATH = "/grpc.health.v1.Health/Check"
log = structlog.stdlib.get_logger()


class StoreClient:
    """All that a service wants of the store.

    `endpoints` is host:port[,host:port…] or the same as addresses; a name stands
    for all of its addresses. `timeout` is for a call as a whole, tries included.
    """

    def __init__(self, endpoints: str | Sequence[Address], service_token: str, timeout: float = 20.0) -> None:
        found = parse_addresses(endpoints) if isinstance(endpoints, str) else endpoints
        self._replicas = Replicas(found)
        self._caller = Caller(self._replicas, service_token, timeout)
        self._sessions = Sessions()
        self._tasks: list[asyncio.Task[None]] = []
        self.reachable = False  # whether some store answers; readiness looks at it
        self.accounts = self._service(account_pb2, "AccountService")
        self.auth = self._service(auth_pb2, "AuthService")
        self.mailboxes = self._service(mailbox_pb2, "MailboxService")
        self.messages = self._service(message_pb2, "MessageService")
        self.maildrops = self._service(maildrop_pb2, "MaildropService")
        self.delivery = self._service(delivery_pb2, "DeliveryService")
        self.changes = self._service(change_pb2, "ChangeService")

    def _service(self, module: Any, name: str) -> Service:
        return Service(self._caller, module.DESCRIPTOR.services_by_name[name], self.renew)

    async def start(self) -> None:
        """Never fails for want of a store: calls are Unavailable until one is there."""
        await self._replicas.start()
        self._tasks = [asyncio.create_task(self._keep_renewed()), asyncio.create_task(self._keep_checked())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._replicas.close()

    async def login(
        self, username: str, password: bytes, client_address: str, authzid: str = ""
    ) -> StoreSession:
        """Refused with WRONG_CREDENTIALS, LOGIN_THROTTLED or PERMISSION_DENIED (another authzid)."""
        request = auth_pb2.AuthenticateRequest(
            username=username,
            password=password,
            authorization_identity=authzid,
            client_address=client_address,
        )
        answer: auth_pb2.AuthenticateResponse = await self.auth.Authenticate(request)
        session = StoreSession(
            answer.session_token,
            seconds_of(answer.expire_time),
            answer.account,
            answer.address,
            tuple(answer.aliases),
        )
        self._sessions.add(session)
        return session

    async def upload(
        self, chunks: AsyncIterator[bytes], account: str = "", session: StoreSession | None = None
    ) -> message_pb2.UploadResponse:
        """Make a message's octets durable; an exception of `chunks` ends the upload and passes through."""
        if session is not None and session.due:
            await self.renew(session)
        return await upload(self._caller, chunks, account, session)

    async def renew(self, session: StoreSession) -> None:
        """A new token. While the old one is good, a store that is away for a moment does not matter."""
        request = auth_pb2.RenewSessionRequest(session_token=session.token)
        token = session.token
        try:
            answer: auth_pb2.RenewSessionResponse = await self.auth.RenewSession(request)
        except Unavailable:
            log.info("session not renewed yet", account=session.account)
        except Refused as fault:
            if session.token == token:  # not renewed meanwhile by another call
                session.ended = fault.reason == "SESSION_ENDED"
                raise
        else:
            session.renew(answer.session_token, seconds_of(answer.expire_time))

    def open_hints(self) -> Any:
        """A bidirectional WatchHints call on some replica (`hints.py` is its only user)."""
        order = self._replicas.order("")
        if not order:
            raise Unavailable()
        make = order[0].channel.stream_stream
        method = make(
            "/buuta.v1.ChangeService/WatchHints",
            change_pb2.WatchHintsRequest.SerializeToString,
            change_pb2.WatchHintsResponse.FromString,
        )
        return method(None, metadata=self._caller.metadata(None))

    # -- tasks --------------------------------------------------------------------------

    async def _keep_renewed(self) -> None:
        while True:
            await asyncio.sleep(RENEW_INTERVAL)
            for session in [session for session in self._sessions if session.due]:
                if not session.due:
                    continue
                try:
                    await self.renew(session)
                except Fault as fault:
                    log.info("session not renewed", account=session.account, reason=fault.text)

    async def _keep_checked(self) -> None:
        while True:
            answers = await asyncio.gather(*(_answers(replica) for replica in self._replicas.all()))
            if any(answers) != self.reachable:
                self.reachable = any(answers)
                log.info("store reachable" if self.reachable else "store unreachable")
            await asyncio.sleep(HEALTH_INTERVAL if self.reachable else HEALTH_INTERVAL / 4)


async def _answers(replica: Replica) -> bool:
    """Whether a store is there. One that cannot serve now still gives its clients proper answers."""
    check = replica.channel.unary_unary(
        HEALTH_PATH,
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    try:
        await check(health_pb2.HealthCheckRequest(), timeout=HEALTH_TIMEOUT)
    except grpc.aio.AioRpcError as error:
        return error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    except grpc.aio.UsageError:
        return False
    return True


__all__ = ["StoreClient", "StoreSession"]
