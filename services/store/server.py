"""One store process: its parts put together, served over gRPC, ready only while they agree.

Until Redis and the bodies are reachable and of one platform, every call is
answered UNAVAILABLE and health says NOT_SERVING; then it goes on by itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from buuta.v1 import (
    account_pb2,
    account_pb2_grpc,
    auth_pb2,
    auth_pb2_grpc,
    call_pb2,
    call_pb2_grpc,
    change_pb2,
    change_pb2_grpc,
    delivery_pb2,
    delivery_pb2_grpc,
    mailbox_pb2,
    mailbox_pb2_grpc,
    maildrop_pb2,
    maildrop_pb2_grpc,
    message_pb2,
    message_pb2_grpc,
)
from services.common.errors import Fault
from services.common.grpc_options import SERVER_OPTIONS
from services.store.account_service import AccountService
from services.store.auth_service import AuthService
from services.store.bodies import BodyStore
from services.store.bodies.local import LocalBodies
from services.store.bodies.s3 import S3Bodies
from services.store.call_service import CallService, methods_of
from services.store.change_service import ChangeService
from services.store.collector import Collector
from services.store.context import Platform, caller
from services.store.delivery_service import DeliveryService
from services.store.hints import Hints
from services.store.incoming import Intake
from services.store.index import marker
from services.store.index.connection import Connection
from services.store.index.directory import Directory
from services.store.index.incarnation import Incarnations
from services.store.index.index import Index
from services.store.mailbox_service import MailboxService
from services.store.maildrop_service import MaildropService
from services.store.message_service import MessageService
from services.store.passwords import Passwords
from services.store.settings import StoreSettings
from services.store.throttle import Throttle
from services.store.tokens import ROLES, Tokens
from services.store.views import Views

log = structlog.stdlib.get_logger()
RETRY_SECONDS = 0.5
CHECK_SECONDS = 5.0
FILES = (account_pb2, auth_pb2, call_pb2, change_pb2, delivery_pb2, maildrop_pb2, mailbox_pb2, message_pb2)


@dataclass(slots=True)
class Store:
    """A running store."""

    port: int
    platform: Platform
    health: Any  # grpc_health's servicer
    ready: asyncio.Event
    server: grpc.aio.Server
    calls: CallService | None  # of the role api
    draining: bool = False

    async def drain(self, seconds: float) -> None:
        """Not serving from now on; calls at work may finish, and streams of changes end."""
        self.draining = True
        await self.health.enter_graceful_shutdown()
        self.ready.clear()
        self.platform.hints.stop()
        if self.calls is not None:
            self.calls.drain()
        await self.server.stop(seconds)


def make_bodies(settings: StoreSettings) -> BodyStore:
    if settings.bodies_dir is not None:
        return LocalBodies(settings.bodies_dir)
    return S3Bodies(settings.s3_endpoint, settings.s3_access_key, settings.s3_secret_key, settings.s3_bucket)


@contextlib.asynccontextmanager
async def running(settings: StoreSettings) -> AsyncIterator[Store]:
    """A store from its settings; it serves until the block is left."""
    async with contextlib.AsyncExitStack() as stack:
        connection = Connection(settings.redis_url, settings.redis_timeout, settings.redis_wait_replicas)
        stack.push_async_callback(connection.close)
        bodies = make_bodies(settings)
        stack.push_async_callback(bodies.close)
        platform = make_platform(settings, connection, bodies)
        store = await _served(settings, platform)
        stack.push_async_callback(store.server.stop, 0.2)
        work = [_keep_ready(store, connection), platform.hints.run()]
        if "collect" in settings.roles:
            collector = Collector(
                platform.index, bodies, settings.garbage_grace, settings.tombstone_retention
            )
            work.append(_collect(store, collector))
        async with _at_work(work):
            yield store
            await store.server.stop(0.2)


def make_platform(settings: StoreSettings, connection: Connection, bodies: BodyStore) -> Platform:
    """The parts of one store process, wired together."""
    index = Index(connection, Incarnations(bodies), settings.log_retention, settings.redo_log_bytes)
    return Platform(
        index=index,
        directory=Directory(connection, index),
        bodies=bodies,
        views=Views(index, settings.view_cache_bytes),
        hints=Hints(settings.redis_url),
        tokens=Tokens(settings.cluster_key),
        passwords=Passwords(settings.cluster_key),
        throttle=Throttle(connection),
        default_domain=settings.default_domain,
    )


async def _served(settings: StoreSettings, platform: Platform) -> Store:
    server = grpc.aio.server(options=SERVER_OPTIONS)
    checks: Any = health.aio.HealthServicer()  # type: ignore[attr-defined]  # it has no types
    await checks.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    calls = None
    if "api" in settings.roles:
        intake = Intake(platform.bodies, platform.index, platform.tokens, settings.max_message_size)
        calls = add_services(server, platform, intake)
    port = server.add_insecure_port(str(settings.listen))
    await server.start()
    return Store(port, platform, checks, asyncio.Event(), server, calls)


@contextlib.asynccontextmanager
async def _at_work(work: list[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """These run beside the block; what ends one of them, or the block, ends all and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in work]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as failures:
        if len(failures.exceptions) > 1:
            raise
        raise failures.exceptions[0] from None


def add_services(server: Any, platform: Platform, intake: Intake) -> CallService:
    """The whole API, and what tools expect beside it."""
    account, auth = AccountService(platform), AuthService(platform)
    mailbox, message = MailboxService(platform), MessageService(platform, intake)
    maildrop, delivery = MaildropService(platform), DeliveryService(platform, intake)
    account_pb2_grpc.add_AccountServiceServicer_to_server(account, server)
    auth_pb2_grpc.add_AuthServiceServicer_to_server(auth, server)
    mailbox_pb2_grpc.add_MailboxServiceServicer_to_server(mailbox, server)
    message_pb2_grpc.add_MessageServiceServicer_to_server(message, server)
    maildrop_pb2_grpc.add_MaildropServiceServicer_to_server(maildrop, server)
    delivery_pb2_grpc.add_DeliveryServiceServicer_to_server(delivery, server)
    change_pb2_grpc.add_ChangeServiceServicer_to_server(ChangeService(platform), server)
    methods = methods_of(
        [
            (account_pb2.DESCRIPTOR, account),
            (auth_pb2.DESCRIPTOR, auth),
            (mailbox_pb2.DESCRIPTOR, mailbox),
            (message_pb2.DESCRIPTOR, message),
            (maildrop_pb2.DESCRIPTOR, maildrop),
            (delivery_pb2.DESCRIPTOR, delivery),
        ]
    )
    calls = CallService(methods, lambda context: caller(platform, context, ROLES))
    call_pb2_grpc.add_CallServiceServicer_to_server(calls, server)
    names = [service.full_name for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
    reflection.enable_server_reflection(
        (*names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME), server
    )
    return calls


async def _keep_ready(store: Store, connection: Connection) -> None:
    """Find the platform, then watch that Redis answers; readiness says so, and the log why not."""
    said: object = None
    while True:
        try:
            await _find_platform(store, connection)
            if not store.ready.is_set() and not store.draining:
                log.info("store ready")
                store.ready.set()
                said = None
            await store.health.set("", health_pb2.HealthCheckResponse.SERVING)
            await asyncio.sleep(CHECK_SECONDS)
        except Fault as fault:
            why = fault.text, type(fault.__cause__)
            if why != said:  # once, not twice a second
                said = why
                log.warning("store waits", cause=fault.text, error=str(fault.__cause__ or "")[:200])
            store.ready.clear()
            await store.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
            await asyncio.sleep(RETRY_SECONDS)


async def _find_platform(store: Store, connection: Connection) -> None:
    index = store.platform.index
    if index.generation:
        await index.check_shard(0)
        return
    await connection.start()
    await marker.check_server(connection)
    await store.platform.bodies.start()
    index.generation = await marker.generation(connection, store.platform.bodies)


async def _collect(store: Store, collector: Collector) -> None:
    await store.ready.wait()
    await collector.run()
