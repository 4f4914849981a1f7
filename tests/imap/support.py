"""An IMAP service in this process, on a real store with a real Redis behind it."""

import asyncio
import base64
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import trustme
from prometheus_client import CollectorRegistry

from buuta.v1.account_pb2 import CreateAccountRequest, CreateDomainRequest, Password
from services.common.hints import HintHub
from services.common.listener import Endpoint, Limits, Server
from services.common.session import Session, Spawn
from services.common.store_client import StoreClient
from services.common.stream import Stream
from services.imap.handlers.table import HANDLERS
from services.imap.metrics import Metrics
from services.imap.session import ImapSession, Service
from tests.dialogue import Connect, Streams
from tests.support.store import RunningStore, running_store

DOMAIN = "example.org"
PASSWORD = "correct horse"
MAX_MESSAGE_SIZE = 2_000_000


@dataclass
class Platform:
    """One IMAP service and the accounts that its tests use."""

    store: RunningStore
    server: Server
    client_context: ssl.SSLContext
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def new_account(self) -> dict[str, str]:
        """An account of its own, and what dialogues say of it."""
        user = f"user{next(self.numbers)}@{DOMAIN}"
        password = Password(clear=PASSWORD)
        answer = await self.store.admin.accounts.CreateAccount(
            CreateAccountRequest(address=user, password=password)
        )
        return {
            "account": answer.account.id,
            "user": user,
            "user_length": str(len(user)),
            "user_base64": coded(user),
            "password": f'"{PASSWORD}"',
            "bare_password": PASSWORD,
            "password_length": str(len(PASSWORD)),
            "password_base64": coded(PASSWORD),
            "plain": coded(f"\0{user}\0{PASSWORD}"),
            "plain_wrong": coded(f"\0{user}\0wrong"),
        }

    def connect(self, listener: str) -> Connect:
        async def connect() -> Streams:
            context = self.client_context if listener == "imaps" else None
            return await asyncio.open_connection(
                "127.0.0.1",
                self.server.ports[listener],
                ssl=context,
                server_hostname="localhost" if context else None,
            )

        return connect


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextlib.asynccontextmanager
async def running_platform(redis_url: str, folder: Path, plaintext: bool) -> AsyncIterator[Platform]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    async with running_store(redis_url, folder, accounts=()) as store:
        await store.admin.accounts.CreateDomain(CreateDomainRequest(name=DOMAIN))
        client = StoreClient(store.endpoint, store.token("imap"))
        await client.start()
        hints = HintHub(client)
        await hints.start()
        service = Service(
            client,
            hints,
            HANDLERS,
            Metrics(CollectorRegistry()),
            "imap.example.org",
            context,
            plaintext,
            MAX_MESSAGE_SIZE,
        )

        def session(stream: Stream, spawn: Spawn) -> Session:
            return ImapSession(stream, spawn, service, structlog.stdlib.get_logger())

        endpoints = [Endpoint("imap", "127.0.0.1", 0), Endpoint("imaps", "127.0.0.1", 0, context)]
        try:
            async with Server(endpoints, session, Limits()) as server:
                yield Platform(store, server, client_context)
        finally:
            await hints.close()
            await client.close()
