"""Which replicas there are and in which order: rendezvous hash, shunning, names that change."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from buuta.v1.mailbox_pb2 import CreateMailboxRequest
from services.common import replicas
from services.common.config import Address, parse_addresses
from services.common.replicas import Replicas
from services.common.store_client import StoreClient
from tests.common.small_store import Ledger, SmallStore

ACCOUNTS = [f"a{number}" for number in range(300)]


@pytest.fixture
async def start() -> AsyncIterator[Callable[[str], Replicas]]:
    made: list[Replicas] = []

    def start(endpoints: str) -> Replicas:
        made.append(Replicas(parse_addresses(endpoints)))
        return made[-1]

    yield start
    for each in made:
        await each.close()


def first(of: Replicas) -> dict[str, str]:
    return {account: of.order(account)[0].name for account in ACCOUNTS}


async def test_only_the_accounts_of_a_lost_replica_move(start: Callable[[str], Replicas]) -> None:
    three, two = start("10.0.0.1:1,10.0.0.2:1,10.0.0.3:1"), start("10.0.0.1:1,10.0.0.3:1")
    await three.start()
    await two.start()
    before, after = first(three), first(two)
    assert set(before.values()) == {"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"}
    moved = {account for account in ACCOUNTS if before[account] != after[account]}
    assert moved == {account for account in ACCOUNTS if before[account] == "10.0.0.2:1"}


async def test_processes_agree_whatever_the_order_of_their_settings(start: Callable[[str], Replicas]) -> None:
    one, two = start("10.0.0.1:1,10.0.0.2:1"), start("10.0.0.2:1,10.0.0.1:1,10.0.0.1:1")
    await one.start()
    await two.start()
    assert first(one) == first(two)


async def test_a_shunned_replica_is_last_for_a_while(start: Callable[[str], Replicas]) -> None:
    three = start("10.0.0.1:1,10.0.0.2:1,10.0.0.3:1")
    await three.start()
    order = three.order("a1")
    order[0].shun(60.0)
    assert three.order("a1") == [order[1], order[2], order[0]]
    order[1].shun(30.0)
    assert three.order("a1") == [order[2], order[1], order[0]]
    order[0].shun(0.0)
    assert three.order("a1") == [order[0], order[2], order[1]]


async def test_localhost() -> None:
    async with SmallStore("one", Ledger()) as store:
        client = StoreClient(f"localhost:{store.port}", "imap:secret", 5.0)
        await client.start()
        await client.mailboxes.CreateMailbox(CreateMailboxRequest(account="a1", name="Work"))
        await client.close()


async def test_a_name_without_an_address_hides_no_other_one(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[str], Replicas]
) -> None:
    known = {"two": ["10.0.0.2:1"]}

    async def addresses(endpoint: Address) -> list[str]:
        if endpoint.host not in known:
            raise OSError("Name or service not known")
        return known[endpoint.host]

    async def found(*names: str) -> None:
        async with asyncio.timeout(30):
            while {each.name for each in both.all()} != set(names):
                both.look_again()
                await asyncio.sleep(0.01)

    monkeypatch.setattr(replicas, "_addresses", addresses)
    monkeypatch.setattr(replicas, "RESOLVE_AT_ONCE", 0.01)
    both = start("one:1,two:1")
    await both.start()
    await found("10.0.0.2:1")
    known["one"] = ["10.0.0.1:1"]
    await found("10.0.0.1:1", "10.0.0.2:1")
    del known["one"]  # it may be alive all the same
    known["two"] = ["10.0.0.3:1"]
    await found("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1")
    known["one"] = []
    await found("10.0.0.3:1")


async def test_a_name_that_moves_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger()
    async with SmallStore("old", ledger) as old, SmallStore("new", ledger) as new:
        known = [old.endpoint]

        async def addresses(endpoint: Address) -> list[str]:
            assert endpoint == Address("store", 10051)
            return known

        monkeypatch.setattr(replicas, "_addresses", addresses)
        monkeypatch.setattr(replicas, "RESOLVE_AT_ONCE", 0.01)
        client = StoreClient("store:10051", "imap:secret", 10.0)
        await client.start()
        request = CreateMailboxRequest(account="a1", name="Work")
        await client.mailboxes.CreateMailbox(request)
        known[:] = [new.endpoint]
        old.behave(*["down"] * 50)
        await client.mailboxes.CreateMailbox(request)
        assert ledger.seen[-1][0] == "new"
        assert len(ledger.committed) == 2
        await asyncio.wait_for(client.close(), 10)
