"""What the client side relies on in a store, held by the real one and by the one its tests use."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from buuta.v1.change_pb2 import Hint
from buuta.v1.mailbox_pb2 import CreateMailboxRequest, CreateMailboxResponse, SyncMailboxRequest
from buuta.v1.message_pb2 import FetchMessagesRequest
from services.common.errors import Refused
from services.common.hints import HintHub
from services.common.ids import new_request_id
from services.common.store_client import StoreClient, StoreSession
from tests.common.small_store import Ledger, SmallStore
from tests.store.api import until
from tests.support.processes import RedisServer
from tests.support.store import running_store


@dataclass
class Side:
    """A store, and a user of it."""

    client: StoreClient
    username: str
    password: bytes

    async def login(self) -> StoreSession:
        return await self.client.login(self.username, self.password, "")

    async def create(self, session: StoreSession, name: str, request_id: bytes) -> CreateMailboxResponse:
        request = CreateMailboxRequest(account=session.account, name=name, request_id=request_id)
        response: CreateMailboxResponse = await self.client.mailboxes.CreateMailbox(request, session)
        return response


@contextlib.asynccontextmanager
async def real(redis: RedisServer, folder: Path) -> AsyncIterator[Side]:
    async with running_store(redis.url, folder) as store:
        client = StoreClient(store.endpoint, store.token("imap"))
        await client.start()
        yield Side(client, "alice", b"alice")
        await client.close()


@contextlib.asynccontextmanager
async def small() -> AsyncIterator[Side]:
    async with SmallStore("one", Ledger()) as store:
        client = StoreClient(store.endpoint, "imap:secret")
        await client.start()
        yield Side(client, "alice", b"right")
        await client.close()


@pytest.fixture(params=["real", "small"])
async def side(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Side]:
    if request.param == "small":
        async with small() as found:
            yield found
    else:
        async with real(request.getfixturevalue("redis_server"), tmp_path / "bodies") as found:
            yield found


async def test_a_login(side: Side) -> None:
    session = await side.login()
    assert session.account
    assert session.address.startswith("alice")
    assert session.life > 60
    assert not session.due


async def test_a_wrong_password_has_its_reason(side: Side) -> None:
    with pytest.raises(Refused) as refused:
        await side.client.login(side.username, b"wrong", "")
    assert refused.value.reason == "WRONG_CREDENTIALS"
    cause = refused.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert cause.code() is grpc.StatusCode.UNAUTHENTICATED
    assert error_info(cause) == ("WRONG_CREDENTIALS", "buuta")


def error_info(error: grpc.aio.AioRpcError) -> tuple[str, str]:
    """Reason and domain; the status inside says what the call's own says."""
    metadata: Iterable[tuple[str, bytes]] = error.trailing_metadata()  # type: ignore[assignment]
    [octets] = [value for key, value in metadata if key == "grpc-status-details-bin"]
    status = status_pb2.Status.FromString(octets)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    info = error_details_pb2.ErrorInfo()
    [detail] = status.details
    assert detail.Unpack(info)
    return info.reason, info.domain


async def test_a_session_is_renewed_and_goes_on(side: Side) -> None:
    session = await side.login()
    first = session.token
    await side.client.renew(session)
    assert session.token != first
    assert (await side.create(session, "Work", new_request_id())).mailbox.name == "Work"


async def test_a_repeat_has_the_first_reply(side: Side) -> None:
    session, request_id = await side.login(), new_request_id()
    first = await side.create(session, "Work", request_id)
    assert first.mailbox.id
    assert await side.create(session, "Work", request_id) == first
    other = await side.create(session, "Other", new_request_id())
    assert other.mailbox.id != first.mailbox.id


async def test_an_upload_counts_its_octets(side: Side) -> None:
    session = await side.login()

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(200_000)

    stored = await side.client.upload(chunks(), session.account, session)
    assert stored.size == 600_000
    assert stored.upload


async def test_a_stream_comes_to_its_end(side: Side) -> None:
    session = await side.login()
    request = FetchMessagesRequest(account=session.account, mailbox=1, previews=True)
    responses = [response async for response in side.client.messages.FetchMessages(request, session)]
    assert all(len(response.previews) >= 1 for response in responses)
    await side.client.mailboxes.SyncMailbox(
        SyncMailboxRequest(account=session.account, name="INBOX"), session
    )


async def test_the_first_hint_says_where_an_account_is(side: Side) -> None:
    session = await side.login()
    hub = HintHub(side.client)
    await hub.start()
    hints: list[Hint] = []
    subscription = hub.subscribe(session, hints.append)
    await until(lambda: hints)
    assert hints[0].account == session.account
    assert hints[0].seq > 0
    assert not hints[0].ended
    subscription.close()
    await hub.close()
