"""Accounts: what each operation answers, and what it leaves in Redis."""

import pytest

from services.common.errors import Refused
from services.store.index import keys
from services.store.index.accounts import FIRST_MAILBOXES
from services.store.index.core import Scope
from services.store.index.index import Index
from tests.store.index.support import fill, keys_of, log_length, new_account, request


async def test_a_new_account_has_its_mailboxes(index: Index) -> None:
    scope = await new_account(index)
    key = keys.account_key(scope.account)
    found = await keys_of(index, scope.account)
    assert set(found) == {key, key + b":n", *(key + b":m:%d" % n for n in range(1, 7))}
    assert found[key][b"seq"] == b"6"
    assert found[key][b"cred"] == b"credential"
    assert found[key][b"addr"] == b"alice@example.test"
    assert found[key + b":n"] == {
        name.encode(): b"%d|1|%d" % (place, use) for place, (name, use) in enumerate(FIRST_MAILBOXES, 1)
    }
    validities = {found[key + b":m:%d" % n][b"uidv"] for n in range(1, 7)}
    assert len(validities) == 6
    assert found[key][b"uidv"] == max(validities)
    header = await index.account(scope.account)
    assert header is not None
    assert (header.address, header.aliases, header.epoch, header.seq) == ("alice@example.test", [], 1, 6)


async def test_an_account_is_created_once(index: Index) -> None:
    scope = await new_account(index)
    before = await keys_of(index)
    await index.create_account(b"", scope.account, "other@example.test", "other")
    assert await keys_of(index) == before


async def test_no_such_account(index: Index) -> None:
    assert await index.account(index.new_account_id()) is None
    assert await index.account("no account id") is None


async def test_a_password_ends_sessions(index: Index) -> None:
    scope = await new_account(index)
    await index.set_password(request().id, scope.account, "new credential")
    header = await index.account(scope.account)
    assert header is not None
    assert (header.credential, header.epoch, header.seq) == ("new credential", 2, 7)
    with pytest.raises(Refused, match="session") as refused:
        await index.account(scope.account, scope.epoch)
    assert refused.value.reason == "SESSION_ENDED"
    before = await keys_of(index)
    with pytest.raises(Refused) as refused:
        await fill(index, scope, 1)
    assert refused.value.reason == "SESSION_ENDED"
    assert await keys_of(index) == before


async def test_further_addresses(index: Index) -> None:
    scope = await new_account(index)
    for address in ("a@example.test", "b@example.test", "a@example.test"):
        await index.set_addresses(request().id, scope.account, add=address)
    header = await index.account(scope.account)
    assert header is not None
    assert header.aliases == ["b@example.test", "a@example.test"]
    await index.set_addresses(request().id, scope.account, remove="b@example.test")
    header = await index.account(scope.account)
    assert header is not None
    assert header.aliases == ["a@example.test"]
    assert await index.addresses_of(scope.account) == ["alice@example.test", "a@example.test"]


async def test_a_deleted_account_is_gone_at_once_and_its_mail_later(index: Index) -> None:
    scope = await new_account(index)
    await fill(index, scope, 3)
    await index.delete_account(request().id, scope.account)
    assert await index.account(scope.account) is None
    for attempt in (index.names(scope), fill(index, scope, 1), index.delete_account(b"", scope.account)):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.reason == "ACCOUNT_NOT_FOUND"
    assert await index.addresses_of(scope.account) == ["alice@example.test"]
    shard = keys.tag(keys.shard_of(scope.account))
    dead = (await keys_of(index, shard + b":dead"))[shard + b":dead"]
    last = scope.account.encode() + b"|0"
    assert set(dead) == {scope.account.encode() + b"|%d" % n for n in range(7)}
    assert all(dead[last] > score for member, score in dead.items() if member != last)


async def test_domains(index: Index) -> None:
    created = await index.set_domain(request().id, "example.test", True)
    assert await index.domains() == {"example.test": created}
    assert await keys_of(index) == {b"{s0000}:domains": {b"example.test": b"%d" % created}}
    with pytest.raises(Refused) as refused:
        await index.set_domain(request().id, "example.test", True)
    assert refused.value.reason == "DOMAIN_EXISTS"
    assert await index.set_domain(request().id, "example.test", False) == created
    assert await index.domains() == {}
    with pytest.raises(Refused) as refused:
        await index.set_domain(request().id, "example.test", False)
    assert refused.value.reason == "DOMAIN_NOT_FOUND"


@pytest.mark.parametrize("repeat", ["domain", "address", "account"])
async def test_a_repeated_request_is_answered_as_the_first_time(index: Index, repeat: str) -> None:
    scope = await new_account(index)
    identity = request().id

    async def perform(what: str = "x.test") -> object:
        match repeat:
            case "domain":
                return await index.set_domain(identity, what, True)
            case "address":
                return await index.set_addresses(identity, scope.account, add="a@" + what)
            case _:
                return await index.delete_account(identity, scope.account)

    first = await perform()
    before, length = await keys_of(index), await log_length(index, scope)
    assert await perform() == first
    if repeat != "account":
        with pytest.raises(Refused) as refused:
            await perform("y.test")
        assert refused.value.reason == "REQUEST_ID"
    assert await keys_of(index) == before
    assert await log_length(index, scope) == length


async def test_the_id_of_an_account_comes_from_the_request(index: Index) -> None:
    identity = request().id
    account = index.account_id_for(identity)
    assert keys.valid_account(account)
    assert index.account_id_for(identity) == account != index.account_id_for(request().id)
    assert await index.account(account) is None
    assert Scope(account).epoch == ""
