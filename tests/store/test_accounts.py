"""AccountService: domains, accounts, addresses, passwords."""

import pytest
from argon2 import PasswordHasher

from buuta.v1 import account_pb2 as pb
from buuta.v1 import delivery_pb2
from buuta.v1.mailbox_pb2 import ListMailboxesRequest
from services.common.errors import Unavailable
from services.store import account_service
from services.store.index.directory import STALE_MS, _key
from tests.store.api import Api, Store, refused, rid


async def create(admin: Api, address: str, request_id: bytes = b"", password: str = "secret") -> pb.Account:
    request = pb.CreateAccountRequest(request_id=request_id or rid(), address=address)
    request.password.clear = password
    account: pb.Account = (await admin.accounts.CreateAccount(request)).account
    return account


async def delete(admin: Api, account: str, request_id: bytes = b"") -> None:
    await admin.accounts.DeleteAccount(
        pb.DeleteAccountRequest(request_id=request_id or rid(), account=account)
    )


async def get(admin: Api, address: str) -> pb.Account:
    account: pb.Account = (await admin.accounts.GetAccount(pb.GetAccountRequest(address=address))).account
    return account


async def resolve(store: Store, address: str) -> str:
    request = delivery_pb2.ResolveRecipientRequest(address=address)
    account: str = (await store.api("mx").delivery.ResolveRecipient(request)).account
    return account


async def test_an_account(store: Store, admin: Api) -> None:
    account = await create(admin, "Carol@EXAMPLE.test")
    assert account.address == "carol@example.test"
    assert await get(admin, "CAROL@example.test") == account
    by_id = pb.GetAccountRequest(account=account.id)
    assert (await admin.accounts.GetAccount(by_id)).account == account
    assert await resolve(store, "carol@example.test") == account.id
    carol = await store.login("carol", password="secret")
    listed = await carol.mailboxes.ListMailboxes(ListMailboxesRequest(account=account.id))
    assert [(box.name, box.special_use) for box in listed.mailboxes] == [
        ("INBOX", 0), ("Archive", 1), ("Drafts", 2), ("Junk", 3), ("Sent", 4), ("Trash", 5)
    ]  # fmt: skip
    assert all(box.subscribed for box in listed.mailboxes)


async def test_addresses_are_taken_once(admin: Api) -> None:
    with refused("ALREADY_EXISTS", "ADDRESS_EXISTS"):
        await create(admin, "ALICE@example.test")
    with refused("NOT_FOUND", "DOMAIN_NOT_FOUND"):
        await create(admin, "alice@elsewhere.test")
    for address in (
        "alice",
        "@example.test",
        "a+b@example.test",
        "a b@example.test",
        "x" * 65 + "@example.test",
    ):
        with refused("INVALID_ARGUMENT", "ADDRESS"):
            await create(admin, address)


async def test_a_repeated_creation_is_one_account(admin: Api) -> None:
    request_id = rid()
    first = await create(admin, "carol@example.test", request_id)
    assert await create(admin, "carol@example.test", request_id) == first
    with refused("INVALID_ARGUMENT", "REQUEST_ID"):
        await create(admin, "dave@example.test", request_id)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):  # the other address leads nowhere
        await get(admin, "dave@example.test")


async def test_deleted_and_created_again_it_is_empty(store: Store, admin: Api) -> None:
    carol = await create(admin, "carol@example.test")
    session = await store.login("carol", password="secret")
    await session.append(b"Subject: old\r\n\r\nmail\r\n")
    await delete(admin, carol.id)
    with refused("NOT_FOUND", "USER_UNKNOWN"):
        await resolve(store, "carol@example.test")
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await session.mailbox()
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await delete(admin, carol.id)
    again = await create(admin, "carol@example.test", password="another")
    assert again.id != carol.id
    assert await resolve(store, "carol@example.test") == again.id
    with refused("UNAUTHENTICATED", "WRONG_CREDENTIALS"):
        await store.login("carol", password="secret")
    fresh = await store.login("carol", password="another")
    assert (await fresh.mailbox()).messages == 0
    assert (await fresh.sync()).changed.uids == b""


async def test_a_deletion_that_crashed_in_the_middle_is_finished_by_a_repeat(
    store: Store, admin: Api
) -> None:
    carol = await create(admin, "carol@example.test")
    request_id = rid()
    await store.platform.index.delete_account(request_id, carol.id)  # and no further
    assert await resolve(store, "carol@example.test") == carol.id
    await delete(admin, carol.id, request_id)
    with refused("NOT_FOUND", "USER_UNKNOWN"):
        await resolve(store, "carol@example.test")


async def test_an_address_of_a_half_created_account_is_temporary(store: Store, admin: Api) -> None:
    """A crash between the claim and the account: 451 at first, free again when it is old."""
    index, directory = store.platform.index, store.platform.directory
    ghost = index.new_account_id()
    await directory.claim("carol@example.test", ghost, "carol@example.test")
    with pytest.raises(Unavailable):
        await directory.resolve("carol@example.test")
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await create(admin, "carol@example.test")
    await age_claim(store, "carol@example.test")
    with refused("NOT_FOUND", "USER_UNKNOWN"):
        await resolve(store, "carol@example.test")
    await directory.claim("carol@example.test", ghost, "carol@example.test")
    await age_claim(store, "carol@example.test")
    carol = await create(admin, "carol@example.test")
    assert await resolve(store, "carol@example.test") == carol.id


async def age_claim(store: Store, address: str) -> None:
    """As if the claim had been made a long time ago."""
    connection = store.platform.index.connection
    made = int(await connection.command("HGET", _key(address), "time"))
    await connection.change("HSET", _key(address), "time", made - STALE_MS - 1000)


async def test_many_at_once_succeed_or_fail_each_by_itself(store: Store, admin: Api) -> None:
    request = pb.BatchCreateAccountsRequest(request_id=rid())
    for address in ("one@example.test", "alice@example.test", "not an address", "two@example.test"):
        request.entries.add(address=address).password.clear = "secret"
    request.entries.add(address="three@example.test")
    results = (await admin.accounts.BatchCreateAccounts(request)).results
    assert [result.code for result in results] == [0, 6, 3, 0, 3]
    assert [bool(result.error) for result in results] == [False, True, True, False, True]
    repeated = (await admin.accounts.BatchCreateAccounts(request)).results
    assert [result.account.id for result in repeated] == [result.account.id for result in results]
    for place in (0, 3):
        assert await get(admin, request.entries[place].address) == results[place].account


async def test_a_batch_is_bounded(admin: Api) -> None:
    request = pb.BatchCreateAccountsRequest(request_id=rid())
    for number in range(account_service.MAX_BATCH + 1):
        request.entries.add(address=f"u{number}@example.test").password.clear = "x"
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await admin.accounts.BatchCreateAccounts(request)


async def test_lists_come_in_pages(admin: Api) -> None:
    await admin.accounts.CreateDomain(pb.CreateDomainRequest(request_id=rid(), name="a.test"))
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x")
    batch = pb.BatchCreateAccountsRequest(request_id=rid())
    expected = [f"u{number:02}@a.test" for number in range(25)]
    for address in expected:
        batch.entries.add(address=address).password.hash = hashed
    await admin.accounts.BatchCreateAccounts(batch)
    await admin.accounts.CreateAlias(
        pb.CreateAliasRequest(
            request_id=rid(), account=(await get(admin, "bob@example.test")).id, address="u05b@a.test"
        )
    )
    expected += ["alice@example.test", "bob@example.test"]
    found, token = [], ""
    while True:
        page = await admin.accounts.ListAccounts(pb.ListAccountsRequest(page_size=4, page_token=token))
        assert len(page.accounts) <= 4
        found += [account.address for account in page.accounts]
        token = page.next_page_token
        if not token:
            break
    assert found == expected
    only = await admin.accounts.ListAccounts(pb.ListAccountsRequest(domain="Example.test"))
    assert [account.address for account in only.accounts] == expected[-2:]
    assert not only.next_page_token
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await admin.accounts.ListAccounts(pb.ListAccountsRequest(page_size=-1))


# -- further addresses ----------------------------------------------------------------------


async def test_aliases(store: Store, admin: Api) -> None:
    alice = await get(admin, "alice@example.test")
    add = pb.CreateAliasRequest(request_id=rid(), account=alice.id, address="A.Smith@example.test")
    await admin.accounts.CreateAlias(add)
    await admin.accounts.CreateAlias(add)
    assert (await get(admin, "a.smith@example.test")).aliases == ["a.smith@example.test"]
    assert await resolve(store, "A.SMITH+news@example.test") == alice.id
    assert (await store.login("a.smith", password="alice")).account == alice.id
    add.request_id, add.address = rid(), "bob@example.test"
    with refused("ALREADY_EXISTS", "ADDRESS_EXISTS"):
        await admin.accounts.CreateAlias(add)
    with refused("ALREADY_EXISTS", "ADDRESS_EXISTS"):
        await create(admin, "a.smith@example.test")
    remove = pb.DeleteAliasRequest(request_id=rid(), account=alice.id, address="a.smith@example.test")
    await admin.accounts.DeleteAlias(remove)
    await admin.accounts.DeleteAlias(remove)
    with refused("NOT_FOUND", "USER_UNKNOWN"):
        await resolve(store, "a.smith@example.test")
    assert (await create(admin, "a.smith@example.test")).id != alice.id


async def test_the_primary_address_stays(admin: Api) -> None:
    alice = await get(admin, "alice@example.test")
    with refused("FAILED_PRECONDITION", "PRIMARY_ADDRESS"):
        await admin.accounts.DeleteAlias(
            pb.DeleteAliasRequest(request_id=rid(), account=alice.id, address="alice@example.test")
        )


async def test_aliases_are_bounded(admin: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_service, "MAX_ALIASES", 2)
    alice = await get(admin, "alice@example.test")
    for name in ("a1", "a2"):
        request = pb.CreateAliasRequest(request_id=rid(), account=alice.id, address=f"{name}@example.test")
        await admin.accounts.CreateAlias(request)
    with refused("RESOURCE_EXHAUSTED", "LIMIT"):
        await admin.accounts.CreateAlias(
            pb.CreateAliasRequest(request_id=rid(), account=alice.id, address="a3@example.test")
        )


async def test_an_account_takes_its_aliases_with_it(store: Store, admin: Api) -> None:
    alice = await get(admin, "alice@example.test")
    await admin.accounts.CreateAlias(
        pb.CreateAliasRequest(request_id=rid(), account=alice.id, address="a@example.test")
    )
    await delete(admin, alice.id)
    with refused("NOT_FOUND", "USER_UNKNOWN"):
        await resolve(store, "a@example.test")
