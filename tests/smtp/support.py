"""An SMTP server in this process on the real store, for dialogues and clients."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
import trustme
from prometheus_client import CollectorRegistry

from buuta.v1.account_pb2 import CreateAliasRequest
from buuta.v1.delivery_pb2 import ResolveRecipientRequest
from services.common.listener import Endpoint, Limits, Server
from services.common.store_client import StoreClient
from services.smtp.handlers.table import HANDLERS
from services.smtp.metrics import Metrics
from services.smtp.recipients import Recipients
from services.smtp.session import Service, SmtpSession
from tests.dialogue import Connect, Streams
from tests.support.store import RunningStore, running_store

HOSTNAME = "mx.example.test"
MAX_MESSAGE_SIZE = 200_000

VARIABLES = {
    "plain": base64.b64encode(b"\0alice@example.test\0alice").decode(),
    "wrong": base64.b64encode(b"\0alice@example.test\0wrong").decode(),
    "as_bob": base64.b64encode(b"bob@example.test\0alice@example.test\0alice").decode(),
    "user": base64.b64encode(b"alice").decode(),
    "password": base64.b64encode(b"alice").decode(),
}


class Platform:
    """A store, and an SMTP server with the listeners `mx`, `submission` and `submissions`."""

    def __init__(
        self, store: RunningStore, server: Server, service: Service, context: ssl.SSLContext
    ) -> None:
        self.store, self.server, self.service, self.client_context = store, server, service, context

    def connect(self, listener: str) -> Connect:
        """How dialogues open a connection."""

        async def opened() -> Streams:
            port = self.server.ports[listener]
            if listener != "submissions":
                return await asyncio.open_connection("127.0.0.1", port)
            return await asyncio.open_connection(
                "127.0.0.1", port, ssl=self.client_context, server_hostname="localhost"
            )

        return opened


@contextlib.asynccontextmanager
async def running_platform(redis_url: str, folder: Path, **settings: str) -> AsyncIterator[Platform]:
    """A store of its own with an SMTP server."""
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(running_store(redis_url, folder, **settings))
        bob = await store.admin.delivery.ResolveRecipient(ResolveRecipientRequest(address="bob@example.test"))
        postmaster = CreateAliasRequest(account=bob.account, address="postmaster@example.test")
        await store.admin.accounts.CreateAlias(postmaster)
        clients = {}
        for role in ("submission", "mx"):
            clients[role] = StoreClient(store.endpoint, store.token(role), 10.0)
            await clients[role].start()
            stack.push_async_callback(clients[role].close)
        service = Service(
            submission=clients["submission"],
            mx=clients["mx"],
            handlers=HANDLERS,
            recipients=Recipients(),
            metrics=Metrics(CollectorRegistry()),
            hostname=HOSTNAME,
            tls=server_context,
            allow_plaintext_auth=False,
            max_message_size=MAX_MESSAGE_SIZE,
        )
        endpoints = [
            Endpoint("mx", "127.0.0.1", 0),
            Endpoint("submission", "127.0.0.1", 0),
            Endpoint("submissions", "127.0.0.1", 0, server_context),
        ]
        log = structlog.stdlib.get_logger()
        server = await stack.enter_async_context(
            Server(endpoints, lambda stream, spawn: SmtpSession(stream, spawn, service, log), Limits())
        )
        yield Platform(store, server, service, client_context)
