"""The real store in this process, on a free port, with a real Redis: what tests of front ends talk to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from buuta.v1 import account_pb2
from services.common.config import load
from services.common.store_client import StoreClient
from services.store.server import Store, running
from services.store.settings import StoreSettings
from services.store.tokens import service_token

CLUSTER_KEY = "a key for tests only"
DOMAIN = "example.test"


@dataclass(slots=True)
class RunningStore:
    """A store that serves. `alice` and `bob` in example.test have their names as passwords."""

    store: Store
    endpoint: str  # host:port
    admin: StoreClient

    def token(self, role: str) -> str:
        return service_token(CLUSTER_KEY, role)

    async def create_account(self, name: str) -> str:
        """`name`@example.test with its name as password; the account's id."""
        response = await self.admin.accounts.CreateAccount(
            account_pb2.CreateAccountRequest(
                address=f"{name}@{DOMAIN}", password=account_pb2.Password(clear=name)
            )
        )
        account: str = response.account.id
        return account


def settings(redis_url: str, folder: Path, **more: str) -> StoreSettings:
    """Settings of a store on any free port; `more` adds variables."""
    return load(
        StoreSettings,
        {
            "LISTEN": "127.0.0.1:0",
            "REDIS_URL": redis_url,
            "BODIES_DIR": str(folder),
            "CLUSTER_KEY": CLUSTER_KEY,
            "DEFAULT_DOMAIN": DOMAIN,
            "GARBAGE_GRACE": "1h",
            **more,
        },
    )


@contextlib.asynccontextmanager
async def running_store(
    redis_url: str, folder: Path, accounts: tuple[str, ...] = ("alice", "bob"), **more: str
) -> AsyncIterator[RunningStore]:
    """A store with accounts; `folder` holds the bodies."""
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(running(settings(redis_url, folder, **more)))
        await asyncio.wait_for(store.ready.wait(), 20)
        endpoint = f"127.0.0.1:{store.port}"
        admin = StoreClient(endpoint, service_token(CLUSTER_KEY, "admin"), 20.0)
        await admin.start()
        stack.push_async_callback(admin.close)
        ready = RunningStore(store, endpoint, admin)
        if accounts:
            await admin.accounts.CreateDomain(account_pb2.CreateDomainRequest(name=DOMAIN))
            for name in accounts:
                await ready.create_account(name)
        yield ready
