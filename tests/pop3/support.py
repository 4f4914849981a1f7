"""A POP3 server in this process on the real store, for dialogues and clients."""

import asyncio
import base64
import contextlib
import itertools
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
import trustme
from prometheus_client import CollectorRegistry

from buuta.v1.columns_pb2 import MessageSource
from buuta.v1.message_pb2 import AppendRequest, AppendResponse
from services.common.listener import Endpoint, Limits, Server
from services.common.store_client import StoreClient
from services.pop3.handlers.table import HANDLERS
from services.pop3.metrics import Metrics
from services.pop3.session import Pop3Session, Service
from tests.dialogue import Connect, Streams
from tests.support.processes import RedisServer
from tests.support.store import DOMAIN, RunningStore, running_store

# What every new account of the dialogues finds in its INBOX.
MESSAGES = (
    b"Subject: one\r\n\r\nFirst body.\r\n",
    b"Subject: two\r\n\r\n.\r\n..hidden\r\n.x\r\nlast\r\n",
    b"Subject: three\r\n\r\nline 1\r\nline 2\r\nline 3",
)


class Platform:
    """A store, and a POP3 server in front of it with the listeners `pop3` and `pop3s`."""

    def __init__(self, store: RunningStore, server: Server, context: ssl.SSLContext) -> None:
        self.store, self.server, self.client_context = store, server, context
        self._names = (f"user{number}" for number in itertools.count(1))

    async def append(self, account: str, *messages: bytes) -> AppendResponse:
        """Add messages to an INBOX."""
        entries = [AppendRequest.Entry(message=MessageSource(inline=octets)) for octets in messages]
        answer: AppendResponse = await self.store.admin.messages.Append(
            AppendRequest(account=account, name="INBOX", entries=entries)
        )
        return answer

    async def new_account(self, *messages: bytes) -> dict[str, str]:
        """An account with these messages, or MESSAGES; what dialogues want to know of it."""
        name = next(self._names)
        account = await self.store.create_account(name)
        octets = messages or MESSAGES
        await self.append(account, *octets)
        user, sizes = f"{name}@{DOMAIN}", [len(message) for message in octets]
        return {
            "account": account,
            "user": user,
            "password": name,
            "plain": _plain("", user, name),
            "plain_as_other": _plain(f"alice@{DOMAIN}", user, name),
            "total": str(sum(sizes)),
            **{f"size{number}": str(size) for number, size in enumerate(sizes, 1)},
        }

    def connect(self, listener: str) -> Connect:
        """How dialogues open a connection."""

        async def opened() -> Streams:
            port = self.server.ports[listener]
            if listener == "pop3":
                return await asyncio.open_connection("127.0.0.1", port)
            context = self.client_context
            return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")

        return opened


def _plain(*words: str) -> str:
    return base64.b64encode("\0".join(words).encode()).decode()


def flush(redis: RedisServer) -> None:
    """Empty a Redis."""
    with socket.create_connection(("127.0.0.1", redis.port)) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(64).startswith(b"+OK")


@contextlib.asynccontextmanager
async def serving(store: RunningStore, plaintext: bool) -> AsyncIterator[Platform]:
    """A POP3 server on a store."""
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    client = StoreClient(store.endpoint, store.token("pop3"), 10.0)
    metrics = Metrics(CollectorRegistry())
    service = Service(client, HANDLERS, metrics, "pop3.example.test", server_context, plaintext)
    log = structlog.stdlib.get_logger()
    endpoints = [
        Endpoint("pop3", "127.0.0.1", 0),
        Endpoint("pop3s", "127.0.0.1", 0, server_context),
    ]
    await client.start()
    try:
        async with Server(
            endpoints, lambda stream, spawn: Pop3Session(stream, spawn, service, log), Limits()
        ) as server:
            yield Platform(store, server, client_context)
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def running_platform(
    redis: RedisServer, folder: Path, plaintext: bool = True
) -> AsyncIterator[Platform]:
    """A store of its own with a POP3 server."""
    flush(redis)
    async with running_store(redis.url, folder) as store, serving(store, plaintext) as platform:
        yield platform
