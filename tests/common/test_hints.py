"""The hint hub against a real gRPC server: first hints, reconnects, renewals, endings."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from buuta.v1.change_pb2 import Hint
from services.common.hints import GATHER, HintHub
from services.common.store_client import StoreClient
from services.common.store_session import StoreSession
from tests.common.small_store import Ledger, SmallStore

PATIENCE = 20.0


def login(account: str, token: str = "t") -> StoreSession:
    return StoreSession(token, time.time() + 600, account, f"{account}@example.test")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 # what is waited for is in other objects
            await asyncio.sleep(0.01)


@pytest.fixture
async def store() -> AsyncIterator[SmallStore]:
    async with SmallStore("one", Ledger()) as store:
        yield store


@pytest.fixture
async def client(store: SmallStore) -> AsyncIterator[StoreClient]:
    client = StoreClient(store.endpoint, "imap:secret", 5.0)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
async def hub(client: StoreClient) -> AsyncIterator[HintHub]:
    hub = HintHub(client)
    await hub.start()
    yield hub
    await hub.close()


async def test_first_hint_says_where_the_account_is(hub: HintHub, store: SmallStore) -> None:
    store.ledger.seq = 7
    heard: list[Hint] = []
    hub.subscribe(login("a1", "token-of-a1"), heard.append)
    await until(lambda: heard)
    assert (heard[0].account, heard[0].seq) == ("a1", 7)
    assert ("a1", "token-of-a1") in store.watched


async def test_each_session_hears_of_its_own_account(hub: HintHub, store: SmallStore) -> None:
    one: list[Hint] = []
    two: list[Hint] = []
    other: list[Hint] = []
    hub.subscribe(login("a1"), one.append)
    hub.subscribe(login("a1"), two.append)
    hub.subscribe(login("a2"), other.append)
    await until(lambda: one and two and other)
    store.ledger.seq = 9
    store.tell("a1")
    await until(lambda: one[-1].seq == 9 and two[-1].seq == 9)
    assert {hint.account for hint in other} == {"a2"}


async def test_a_later_session_hears_without_asking(hub: HintHub, store: SmallStore) -> None:
    one: list[Hint] = []
    two: list[Hint] = []
    first = hub.subscribe(login("a1"), one.append)
    await until(lambda: one)
    first.close()
    hub.subscribe(login("a1"), two.append)
    await asyncio.sleep(5 * GATHER)
    store.ledger.seq = 9
    store.tell("a1")
    await until(lambda: two)
    assert two[0].seq == 9
    assert (len(store.watched), store.removed) == (1, [])


async def test_an_account_without_sessions_is_taken_off_in_time(
    client: StoreClient, store: SmallStore
) -> None:
    hub = HintHub(client, poll=0.1)
    await hub.start()
    heard: list[Hint] = []
    one = hub.subscribe(login("a1"), heard.append)
    two = hub.subscribe(login("a1"), heard.append)
    await until(lambda: heard)
    one.close()
    one.close()
    two.close()
    await until(lambda: store.removed)
    await asyncio.sleep(0.3)
    assert store.removed == ["a1"]
    heard.clear()
    hub.subscribe(login("a1"), heard.append)
    await until(lambda: heard)
    await hub.close()


async def test_an_account_that_ended_without_sessions_is_watched_anew(
    hub: HintHub, store: SmallStore
) -> None:
    heard: list[Hint] = []
    hub.subscribe(login("other"), heard.append)
    ended = hub.subscribe(login("a1"), lambda hint: None)
    await until(lambda: len(store.watched) == 2)
    ended.close()
    store.ledger.seq = 9
    store.tell("a1", ended=True)
    store.tell("other")
    await until(lambda: heard and heard[-1].seq == 9)
    hub.subscribe(login("a1", "of the new session"), heard.append)
    await until(lambda: ("a1", "of the new session") in store.watched)


async def test_a_failing_callback_harms_nobody(hub: HintHub) -> None:
    heard: list[Hint] = []

    def broken(hint: Hint) -> None:
        raise RuntimeError("a defect of a session")

    hub.subscribe(login("a1"), broken)
    hub.subscribe(login("a1"), heard.append)
    await until(lambda: heard)


async def test_reconnects_and_adds_everything_again() -> None:
    ledger = Ledger()
    heard: list[Hint] = []
    async with SmallStore("one", ledger) as store:
        client = StoreClient(store.endpoint, "imap:secret", 5.0)
        await client.start()
        hub = HintHub(client)
        await hub.start()
        for number in range(1200):  # more than one request carries
            hub.subscribe(login(f"a{number}"), heard.append)
        await until(lambda: len({hint.account for hint in heard}) == 1200)
    heard.clear()
    ledger.seq = 50  # changed while nobody was connected
    async with store:
        await until(lambda: len({hint.account for hint in heard}) == 1200)
        assert {hint.seq for hint in heard} == {50}
        await hub.close()
        await client.close()


async def test_polls(client: StoreClient, store: SmallStore) -> None:
    hub = HintHub(client, poll=0.1)
    await hub.start()
    heard: list[Hint] = []
    hub.subscribe(login("a1"), heard.append)
    await until(lambda: heard)
    store.ledger.seq = 33  # and the store's hint gets lost
    await until(lambda: heard[-1].seq == 33)
    await hub.close()


async def test_an_account_that_ended(hub: HintHub, store: SmallStore) -> None:
    heard: list[Hint] = []
    session = login("a1")
    hub.subscribe(session, heard.append)
    await until(lambda: heard)
    store.behave("ended")
    store.tell("a1", ended=True)
    await until(lambda: heard[-1].ended)
    assert session.ended


async def test_a_refused_token_is_replaced_and_watched_again(hub: HintHub, store: SmallStore) -> None:
    heard: list[Hint] = []
    hub.subscribe(login("a1", "stale"), heard.append)
    await until(lambda: heard)
    store.tell("a1", ended=True)
    await until(lambda: ("a1", "token1") in store.watched)
    assert not any(hint.ended for hint in heard)
