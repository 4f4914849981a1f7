"""The store client against real gRPC servers that drop, delay and fail: one effect per request."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from buuta.v1.mailbox_pb2 import CreateMailboxRequest, SyncMailboxRequest
from buuta.v1.message_pb2 import FetchMessagesRequest
from services.common.errors import Refused, Unavailable
from services.common.replicas import Replica
from services.common.store_client import StoreClient
from services.common.store_session import StoreSession
from tests.common.small_store import Ledger, SmallStore

REQUEST = CreateMailboxRequest(account="a1", name="Work")


@pytest.fixture(autouse=True, params=["with pipes", "without"])
def pipes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is older than CallService is called all the same."""
    monkeypatch.setattr(SmallStore, "pipes", request.param == "with pipes")


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def stores(ledger: Ledger) -> AsyncIterator[list[SmallStore]]:
    async with SmallStore("one", ledger) as one, SmallStore("two", ledger) as two:
        yield [one, two]


@contextlib.asynccontextmanager
async def running(*stores: SmallStore, timeout: float = 5.0) -> AsyncIterator[StoreClient]:
    client = StoreClient(",".join(store.endpoint for store in stores), "imap:secret", timeout)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def client(stores: list[SmallStore]) -> AsyncIterator[StoreClient]:
    async with running(*stores) as client:
        yield client


def preferred(ledger: Ledger, stores: list[SmallStore]) -> tuple[SmallStore, SmallStore]:
    """The first and the second choice for the account, by the last call seen."""
    first = next(store for store in stores if store.name == ledger.seen[-1][0])
    return first, next(store for store in stores if store is not first)


async def test_calls_of_an_account_meet_one_replica(client: StoreClient, ledger: Ledger) -> None:
    for _ in range(10):
        await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1"))
    assert len({name for name, _, _ in ledger.seen}) == 1


async def test_accounts_are_spread(
    client: StoreClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Replica, "shun", lambda *_: None)  # a busy machine shuns a store that is only slow
    for number in range(40):
        await client.mailboxes.SyncMailbox(SyncMailboxRequest(account=f"a{number}"))
    assert len({name for name, _, _ in ledger.seen}) == 2


async def test_tokens_travel_as_metadata(client: StoreClient, ledger: Ledger) -> None:
    session = StoreSession("session-token", time.time() + 600, "a1", "u1@example.test")
    await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1"), session=session)
    assert ledger.metadata[-1]["authorization"] == "Bearer imap:secret"
    assert ledger.metadata[-1]["buuta-session"] == "session-token"


async def test_request_ids(client: StoreClient, ledger: Ledger) -> None:
    request = CreateMailboxRequest(account="a1", name="Work")
    await client.mailboxes.CreateMailbox(request)
    await client.mailboxes.CreateMailbox(request)
    first, second = (request_id for _, _, request_id in ledger.seen)
    assert len(first) == len(second) == 16
    assert first != second, "the same message sent twice is two calls"
    request.request_id = b"0123456789abcdef"
    await client.mailboxes.CreateMailbox(request)
    assert ledger.seen[-1][2] == b"0123456789abcdef"


async def test_a_read_has_no_request_id(client: StoreClient, ledger: Ledger) -> None:
    await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1"))
    assert ledger.seen[-1][2] == b""
    await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1", claim_recent=True))
    assert len(ledger.seen[-1][2]) == 16


@pytest.mark.parametrize("failure", ["down", "lost"])
async def test_second_replica_under_the_same_request_id(
    client: StoreClient, stores: list[SmallStore], ledger: Ledger, failure: str
) -> None:
    await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1"))
    first, second = preferred(ledger, stores)
    ledger.seen.clear()
    first.behave(failure)
    answer = await client.mailboxes.CreateMailbox(REQUEST)
    assert [name for name, _, _ in ledger.seen] == [first.name, second.name]
    assert len({request_id for _, _, request_id in ledger.seen}) == 1
    assert len(ledger.committed) == 1
    assert answer.mailbox.id == 1


async def test_a_replica_that_was_slow_is_tried_all_the_same_when_the_other_is_down(
    stores: list[SmallStore], ledger: Ledger
) -> None:
    async with running(*stores, timeout=2.0) as client:
        await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1"))
        first, second = preferred(ledger, stores)
        first.behave("hang")
        await client.mailboxes.CreateMailbox(REQUEST)  # the first is shunned as slow now
        second.behave(*["down"] * 20)
        ledger.seen.clear()
        await client.mailboxes.CreateMailbox(REQUEST)
        assert [name for name, _, _ in ledger.seen] == [second.name, first.name]


async def test_a_replica_that_hangs_leaves_time_for_the_other(
    stores: list[SmallStore], ledger: Ledger
) -> None:
    async with running(*stores, timeout=1.0) as client:
        await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1"))
        first, second = preferred(ledger, stores)
        first.behave("hang")
        await client.mailboxes.CreateMailbox(REQUEST)
        assert ledger.seen[-1][0] == second.name
        await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1"))
        assert ledger.seen[-1][0] == second.name, "it is not asked again at once"


async def test_a_replica_that_hangs_leaves_time_for_one_that_was_down(
    stores: list[SmallStore], ledger: Ledger
) -> None:
    async with running(*stores, timeout=2.0) as client:
        await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1"))
        first, second = preferred(ledger, stores)
        first.behave("down")
        second.behave("hang")
        ledger.seen.clear()
        await client.mailboxes.CreateMailbox(REQUEST)
        assert [name for name, _, _ in ledger.seen] == [first.name, second.name, first.name]


async def test_one_store_is_tried_again(stores: list[SmallStore], ledger: Ledger) -> None:
    async with running(stores[0]) as client:
        stores[0].behave("lost", "down", "down")
        await client.mailboxes.CreateMailbox(REQUEST)
    assert len(ledger.seen) == 4
    assert len({request_id for _, _, request_id in ledger.seen}) == 1
    assert len(ledger.committed) == 1


async def test_gives_up_within_the_deadline(stores: list[SmallStore]) -> None:
    async with running(*stores, timeout=0.5) as client:
        for store in stores:
            store.behave("hang", "hang", "hang")
        with pytest.raises(Unavailable):
            await asyncio.wait_for(client.mailboxes.CreateMailbox(REQUEST), 10)


async def test_nobody_there() -> None:
    async with SmallStore("gone", Ledger()) as gone:
        pass
    async with running(gone, timeout=0.4) as client:
        with pytest.raises(Unavailable):
            await client.mailboxes.CreateMailbox(REQUEST)
        assert not client.reachable


async def test_name_that_does_not_resolve() -> None:
    client = StoreClient("no-such-host.invalid:1", "imap:secret", 1.0)
    await client.start()
    with pytest.raises(Unavailable):
        await client.mailboxes.CreateMailbox(REQUEST)
    await client.close()


async def test_a_store_that_comes_later_is_found(ledger: Ledger) -> None:
    async with SmallStore("early", ledger) as store:
        pass
    async with running(store) as client:
        with pytest.raises(Unavailable):
            await client.mailboxes.CreateMailbox(REQUEST, timeout=0.2)
        async with store:
            await client.mailboxes.CreateMailbox(REQUEST, timeout=10.0)
            while not client.reachable:  # noqa: ASYNC110 # a plain flag
                await asyncio.sleep(0.02)
    assert len(ledger.committed) == 1


async def test_refusals_are_not_repeated(
    client: StoreClient, stores: list[SmallStore], ledger: Ledger
) -> None:
    for store in stores:
        store.behave("refuse")
    with pytest.raises(Refused) as caught:
        await client.mailboxes.CreateMailbox(REQUEST)
    assert (caught.value.reason, caught.value.text) == ("MAILBOX_EXISTS", "It is there")
    assert len(ledger.seen) == 1


@pytest.mark.parametrize("failure", ["broken", "stranger"])
async def test_what_is_our_fault_is_temporary_and_not_repeated(
    client: StoreClient, stores: list[SmallStore], ledger: Ledger, failure: str
) -> None:
    for store in stores:
        store.behave(failure)
    with pytest.raises(Unavailable) as caught:
        await client.mailboxes.CreateMailbox(REQUEST)
    assert "defect" not in caught.value.text
    assert len(ledger.seen) == 1


async def test_streams(client: StoreClient) -> None:
    request = FetchMessagesRequest(account="a1")
    found = [response.previews[0] async for response in client.messages.FetchMessages(request)]
    assert found == [b"0", b"1", b"2"]


async def test_stream_starts_again_before_its_first_response(
    client: StoreClient, stores: list[SmallStore], ledger: Ledger
) -> None:
    for store in stores:
        store.behave("down")
    request = FetchMessagesRequest(account="a1")
    found = [response.previews[0] async for response in client.messages.FetchMessages(request)]
    assert found == [b"0", b"1", b"2"]
    assert len(ledger.seen) == 3


async def test_stream_never_starts_again_later(
    client: StoreClient, stores: list[SmallStore], ledger: Ledger
) -> None:
    for store in stores:
        store.behave("late")
    responses = client.messages.FetchMessages(FetchMessagesRequest(account="a1"))
    assert (await anext(responses)).previews == [b"0"]
    with pytest.raises(Unavailable):
        await anext(responses)
    assert len(ledger.seen) == 1


async def test_stream_that_hangs_ends_with_the_deadline(stores: list[SmallStore]) -> None:
    async with running(stores[0], timeout=0.3) as client:
        stores[0].behave("hang")
        with pytest.raises(Unavailable):
            async for _ in client.messages.FetchMessages(FetchMessagesRequest(account="a1")):
                pass


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize("pieces", [[], [b"one"], [b"a" * 1000, b"b" * 700_000, b"c"]])
async def test_upload(client: StoreClient, ledger: Ledger, pieces: list[bytes]) -> None:
    answer = await client.upload(chunks(*pieces), "a1")
    assert ledger.uploads[answer.upload] == b"".join(pieces)
    assert answer.size == len(b"".join(pieces))


@pytest.mark.parametrize("failure", ["down", "late", "lost"])
async def test_small_upload_starts_again(
    client: StoreClient, stores: list[SmallStore], ledger: Ledger, failure: str
) -> None:
    for store in stores:
        store.behave(failure)
    pieces = [b"a" * 999, b"b", b"c" * 30_000, b"d" * 30_000]
    answer = await client.upload(chunks(*pieces), "a1")
    assert ledger.uploads[answer.upload] == b"".join(pieces)
    assert len(ledger.seen) == 3
    assert len({request_id for _, _, request_id in ledger.seen}) == 1
    assert len(ledger.uploads) == 1


async def test_large_upload_fails_rather_than_lose_octets(
    client: StoreClient, stores: list[SmallStore], ledger: Ledger
) -> None:
    for store in stores:
        store.behave("late")
    with pytest.raises(Unavailable):
        await client.upload(chunks(*[b"a" * 50_000] * 40), "a1")
    assert not ledger.uploads


async def test_refused_upload(client: StoreClient, stores: list[SmallStore]) -> None:
    for store in stores:
        store.behave("large")
    with pytest.raises(Refused) as caught:
        await client.upload(chunks(*[b"a" * 50_000] * 400), "a1")
    assert caught.value.reason == "MESSAGE_TOO_LARGE"


async def test_upload_whose_source_fails(client: StoreClient, ledger: Ledger) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half of a message"
        raise ConnectionResetError("the peer is gone")

    with pytest.raises(ConnectionResetError):
        await client.upload(broken(), "a1")
    assert not ledger.uploads


async def test_login(client: StoreClient) -> None:
    session = await client.login("u1@example.test", b"right", "192.0.2.1")
    assert (session.account, session.address) == ("a1", "u1@example.test")
    assert "token0" not in repr(session)
    with pytest.raises(Refused) as caught:
        await client.login("u1@example.test", b"wrong", "192.0.2.1")
    assert caught.value.reason == "WRONG_CREDENTIALS"


async def test_a_token_is_renewed_before_it_expires(client: StoreClient, ledger: Ledger) -> None:
    session = await client.login("u1@example.test", b"right", "192.0.2.1")
    await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1"), session=session)
    assert ledger.metadata[-1]["buuta-session"] == "token0"
    session.life = 6000.0  # most of its life is over
    await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1"), session=session)
    assert ledger.metadata[-1]["buuta-session"] == "token1"
    assert not session.due


async def test_a_renewal_that_fails_for_now_does_no_harm(stores: list[SmallStore]) -> None:
    async with running(stores[0]) as client:
        session = await client.login("u1@example.test", b"right", "192.0.2.1")
        session.life = 6000.0
        stores[0].behave("broken")
        await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1"), session=session)
        assert session.token == "token0"


async def test_a_session_that_ended(client: StoreClient, stores: list[SmallStore]) -> None:
    session = await client.login("u1@example.test", b"right", "192.0.2.1")
    session.life = 6000.0
    for store in stores:
        store.behave("ended")
    with pytest.raises(Refused) as caught:
        await client.mailboxes.SyncMailbox(SyncMailboxRequest(account="a1"), session=session)
    assert caught.value.reason == "SESSION_ENDED"
    assert session.ended
