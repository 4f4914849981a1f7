"""Addresses and who has them: claims, and what becomes of those whose maker is gone."""

import pytest

from services.common.errors import Refused, Unavailable
from services.store.index import keys
from services.store.index.directory import STALE_MS, Directory
from services.store.index.index import Index
from tests.store.index.support import keys_of, new_account, request

ADDRESS = "alice@example.test"
ALIAS = "a@example.test"


@pytest.fixture
async def directory(index: Index) -> Directory:
    await index.set_domain(request().id, "example.test", True)
    return Directory(index.connection, index)


def key_of(address: str) -> bytes:
    return keys.tag(keys.shard_of_text(address.encode())) + b":@" + address.encode()


async def age(index: Index, address: str) -> None:
    """As if the claim had been made long ago."""
    made = int(await index.connection.command("HGET", key_of(address), "time"))
    await index.connection.change("HSET", key_of(address), "time", made - STALE_MS - 1)


async def test_claim_account_settle(index: Index, directory: Directory) -> None:
    account = index.new_account_id()
    await directory.claim(ADDRESS, account, ADDRESS)
    claim = (await keys_of(index))[key_of(ADDRESS)]
    assert (claim[b"account"], claim[b"primary"]) == (account.encode(), ADDRESS.encode())
    assert claim[b"state"] == b"claimed"
    with pytest.raises(Unavailable):
        await directory.resolve(ADDRESS)
    await index.create_account(b"", account, ADDRESS, "credential")
    await directory.settle(ADDRESS, account, ADDRESS)
    assert (await keys_of(index))[key_of(ADDRESS)][b"state"] == b"settled"
    for spelling in (ADDRESS, "alice+detail@example.test"):
        found = await directory.resolve(spelling)
        assert (found.account, found.address) == (account, ADDRESS)
    assert await directory.addresses("example.test", "", 10) == [(ADDRESS, account)]
    assert await directory.addresses("example.test", ADDRESS, 10) == []


async def test_nobody_has_it(directory: Directory) -> None:
    for address, reason in (("bob@example.test", "USER_UNKNOWN"), ("bob@other.test", "DOMAIN_UNKNOWN")):
        with pytest.raises(Refused) as refused:
            await directory.resolve(address)
        assert refused.value.reason == reason
    assert await directory.find("bob@example.test") is None


async def test_an_address_has_one_account(index: Index, directory: Directory) -> None:
    scope = await new_account(index)
    await directory.claim(ADDRESS, scope.account, ADDRESS)
    other = index.new_account_id()
    with pytest.raises(Refused) as refused:
        await directory.claim(ADDRESS, other, ADDRESS)
    assert refused.value.reason == "ADDRESS_EXISTS"
    await directory.claim(ADDRESS, scope.account, ADDRESS)
    assert await directory.find(ADDRESS) is not None


async def test_a_claim_that_its_account_lists_settles_by_itself(index: Index, directory: Directory) -> None:
    scope = await new_account(index)
    await directory.claim(ADDRESS, scope.account, ADDRESS)
    assert (await directory.resolve(ADDRESS)).account == scope.account
    assert (await keys_of(index))[key_of(ADDRESS)][b"state"] == b"settled"


async def test_an_old_claim_without_account_falls(index: Index, directory: Directory) -> None:
    first, second = index.new_account_id(), index.new_account_id()
    await directory.claim(ADDRESS, first, ADDRESS)
    with pytest.raises(Unavailable):
        await directory.claim(ADDRESS, second, ADDRESS)
    await age(index, ADDRESS)
    assert await directory.find(ADDRESS) is None
    assert key_of(ADDRESS) not in await keys_of(index)
    await directory.claim(ADDRESS, first, ADDRESS)
    await age(index, ADDRESS)
    await directory.claim(ADDRESS, second, ADDRESS)
    assert (await keys_of(index))[key_of(ADDRESS)][b"account"] == second.encode()


async def test_the_claim_of_a_deleted_account_can_be_taken(index: Index, directory: Directory) -> None:
    scope = await new_account(index)
    await directory.claim(ADDRESS, scope.account, ADDRESS)
    await directory.settle(ADDRESS, scope.account, ADDRESS)
    await index.delete_account(request().id, scope.account)
    other = index.new_account_id()
    await directory.claim(ADDRESS, other, ADDRESS)
    assert (await keys_of(index))[key_of(ADDRESS)][b"account"] == other.encode()


async def test_a_claim_that_fell_too_early_is_made_again(index: Index, directory: Directory) -> None:
    """Whoever made it was slow, not gone: the account is there, so its address must be."""
    account = index.new_account_id()
    await directory.claim(ADDRESS, account, ADDRESS)
    await age(index, ADDRESS)
    assert await directory.find(ADDRESS) is None
    await index.create_account(b"", account, ADDRESS, "credential")
    await directory.settle(ADDRESS, account, ADDRESS)
    assert (await directory.resolve(ADDRESS)).account == account


async def test_an_address_that_went_to_another_account_is_not_settled(
    index: Index, directory: Directory
) -> None:
    slow, other = index.new_account_id(), await new_account(index)
    await directory.claim(ADDRESS, slow, ADDRESS)
    await age(index, ADDRESS)
    await directory.claim(ADDRESS, other.account, ADDRESS)
    before = (await keys_of(index))[key_of(ADDRESS)]
    with pytest.raises(Refused) as refused:
        await directory.settle(ADDRESS, slow, ADDRESS)
    assert refused.value.reason == "ADDRESS_EXISTS"
    assert (await keys_of(index))[key_of(ADDRESS)] == before


async def test_drop(index: Index, directory: Directory) -> None:
    scope = await new_account(index)
    await index.set_addresses(request().id, scope.account, add=ALIAS)
    for address in (ADDRESS, ALIAS):
        await directory.claim(address, scope.account, ADDRESS)
        await directory.settle(address, scope.account, ADDRESS)
    assert (await directory.resolve(ALIAS)).address == ADDRESS
    await directory.drop(ALIAS, index.new_account_id())
    assert await directory.find(ALIAS) is not None
    await directory.drop(ALIAS, scope.account)
    assert await directory.find(ALIAS) is None
    assert await directory.addresses("example.test", "", 10) == [(ADDRESS, scope.account)]
    await directory.drop(ADDRESS, scope.account)
    assert not [key for key in await keys_of(index) if b":@" in key or b":dom:" in key]


async def test_an_address_that_has_moved_is_found_where_it_is_now(index: Index) -> None:
    """Whoever has found it before asks the account, not its own memory."""
    directory, other = Directory(index.connection, index), Directory(index.connection, index)
    first = (await new_account(index)).account
    header = await index.account(first)
    assert header is not None
    await directory.claim(header.address, first, header.address)
    await directory.settle(header.address, first, header.address)
    for _ in range(2):
        found = await other.account(header.address)
        assert found is not None
        assert found[0] == first
    await index.delete_account(request().id, first)
    await directory.drop(header.address, first)
    assert await other.account(header.address) is None
