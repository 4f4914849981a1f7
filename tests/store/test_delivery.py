"""DeliveryService: recipients, one body for many, repeats, and failures in the middle."""

from typing import Any

import pytest

from buuta.v1 import account_pb2, message_pb2
from buuta.v1 import delivery_pb2 as pb
from services.common.errors import Refused, Unavailable
from services.store.bodies.local import LocalBodies
from services.store.index.core import Scope
from services.store.index.messages import MessageOperations
from tests.store.api import Api, Store, refused, rid

MESSAGE = b"Message-ID: <one@example.test>\r\nSubject: x\r\n\r\ntext\r\n"
WITHOUT_ID = b"Subject: x\r\n\r\ntext\r\n"
KEY = bytes(range(32))
WHOLE = message_pb2.BodySection()


@pytest.fixture
async def mx(store: Store) -> Api:
    return store.api("mx")


@pytest.fixture
async def bob(store: Store) -> Api:
    return await store.login("bob")


def delivery(
    *accounts: str, message: bytes = MESSAGE, key: bytes = b"", mailbox: str = ""
) -> pb.DeliverRequest:
    request = pb.DeliverRequest(request_id=rid(), reverse_path="sender@elsewhere.test", dedupe_key=key)
    for account in accounts:
        request.recipients.add(account=account, mailbox=mailbox)
    request.message.inline = message
    return request


async def deliver(api: Api, request: pb.DeliverRequest) -> list[tuple[int, bool]]:
    answer = await api.delivery.Deliver(request)
    return [(result.uid, result.duplicate) for result in answer.results]


def files(store: Store) -> int:
    bodies = store.platform.bodies
    assert isinstance(bodies, LocalBodies)
    return sum(1 for path in bodies._folder.glob("??/*"))


async def references(store: Store) -> list[set[bytes]]:
    """The accounts of each shared body."""
    connection = store.platform.index.connection
    names = await connection.servers[0].call(("KEYS", "{s*}:r:*"), False)
    return [set(await connection.command("SMEMBERS", name)) for name in names]


async def delete_account(store: Store, account: str) -> None:
    await store.api("admin").accounts.DeleteAccount(
        account_pb2.DeleteAccountRequest(request_id=rid(), account=account)
    )


# -- recipients -----------------------------------------------------------------------------


async def test_who_receives(mx: Api, alice: Api) -> None:
    for address in ("alice@example.test", "ALICE+Detail@EXAMPLE.test", '"alice"@example.test'):
        found = await mx.delivery.ResolveRecipient(pb.ResolveRecipientRequest(address=address))
        assert (found.account, found.address) == (alice.account, "alice@example.test")


@pytest.mark.parametrize(
    ("address", "code", "reason"),
    [
        ("nobody@example.test", "NOT_FOUND", "USER_UNKNOWN"),
        ("+detail@example.test", "NOT_FOUND", "USER_UNKNOWN"),
        ("alice@elsewhere.test", "NOT_FOUND", "DOMAIN_UNKNOWN"),
        ("alice", "INVALID_ARGUMENT", "ADDRESS"),
        ("Postmaster", "NOT_FOUND", "USER_UNKNOWN"),  # an address of the default domain
        ("", "INVALID_ARGUMENT", "ADDRESS"),
        ("alice@example.test>", "INVALID_ARGUMENT", "ADDRESS"),
    ],
)
async def test_who_does_not(mx: Api, address: str, code: str, reason: str) -> None:
    with refused(code, reason):
        await mx.delivery.ResolveRecipient(pb.ResolveRecipientRequest(address=address))


# -- one body -------------------------------------------------------------------------------


async def test_one_body_for_many(store: Store, mx: Api, alice: Api, bob: Api) -> None:
    assert await deliver(mx, delivery(alice.account, bob.account)) == [(1, False), (1, False)]
    assert files(store) == 1
    assert await references(store) == [{alice.account.encode(), bob.account.encode()}]
    for api in (alice, bob):
        assert await api.bodies([1], WHOLE) == {(1, 0): MESSAGE}
    assert (await alice.sync()).changed.flags == bytes(8)  # that it is shared is ours to know


async def test_into_a_mailbox(mx: Api, alice: Api) -> None:
    await deliver(mx, delivery(alice.account, mailbox="Junk"))
    assert (await alice.mailbox("Junk")).messages == 1
    await deliver(mx, delivery(alice.account, mailbox="Not there"))
    assert (await alice.mailbox()).messages == 1


async def test_an_account_named_twice_takes_it_once(store: Store, mx: Api, alice: Api) -> None:
    request = delivery(alice.account, alice.account)
    request.recipients[1].mailbox = "Junk"
    assert await deliver(mx, request) == [(1, False)] * 2
    assert (await alice.mailbox("Junk")).messages == 0
    assert await references(store) == []


async def test_an_uploaded_message_for_many(mx: Api, alice: Api, bob: Api) -> None:
    parts = [message_pb2.UploadRequest(request_id=rid(), data=MESSAGE)]
    stored = await mx.messages.Upload(iter(parts))
    request = delivery(alice.account, bob.account)
    request.message.upload = stored.upload
    assert await deliver(mx, request) == [(1, False)] * 2
    assert await deliver(mx, request) == [(1, False)] * 2
    request.request_id = rid()
    with refused("INVALID_ARGUMENT", "UPLOAD_HANDLE"):  # its body is theirs
        await deliver(mx, request)


# -- repeats --------------------------------------------------------------------------------


async def test_a_repeat_delivers_nothing_more(store: Store, mx: Api, alice: Api, bob: Api) -> None:
    request = delivery(alice.account, bob.account, key=KEY)
    assert await deliver(mx, request) == await deliver(mx, request) == [(1, False)] * 2
    assert (await alice.mailbox()).messages == 1
    request.reverse_path = "other@elsewhere.test"
    with refused("INVALID_ARGUMENT", "REQUEST_ID"):
        await deliver(mx, request)
    assert await alice.bodies([1], WHOLE) == {(1, 0): MESSAGE}


async def test_a_message_that_is_sent_again_is_dropped(store: Store, mx: Api, alice: Api) -> None:
    await deliver(mx, delivery(alice.account, key=KEY))
    again = delivery(alice.account, message=b"Received: again\r\n" + MESSAGE, key=KEY)
    assert await deliver(mx, again) == await deliver(mx, again) == [(1, True)]
    assert (await alice.mailbox()).messages == 1
    assert files(store) == 1
    assert await deliver(mx, delivery(alice.account, key=KEY[::-1])) == [(2, False)]
    assert await deliver(mx, delivery(alice.account)) == [(3, False)]


async def test_without_a_message_id_nothing_is_dropped(mx: Api, alice: Api) -> None:
    for uid in (1, 2):
        assert await deliver(mx, delivery(alice.account, message=WITHOUT_ID, key=KEY)) == [(uid, False)]


async def test_an_uploaded_message_that_is_sent_again(mx: Api, alice: Api) -> None:
    """What tells repeats apart is known of uploads too."""
    for message, outcomes in ((MESSAGE, [(1, False), (1, True)]), (WITHOUT_ID, [(2, False), (3, False)])):
        key = message[:16]
        for outcome in outcomes:
            parts = [message_pb2.UploadRequest(request_id=rid(), data=message)]
            request = delivery(alice.account, key=key)
            request.message.upload = (await mx.messages.Upload(iter(parts))).upload
            assert await deliver(mx, request) == [outcome]


async def test_sent_again_to_more_people(store: Store, mx: Api, alice: Api, bob: Api) -> None:
    """Only who does not have it yet gets it, and nobody else holds its body."""
    await deliver(mx, delivery(alice.account, key=KEY))
    again = delivery(alice.account, bob.account, key=KEY)
    assert await deliver(mx, again) == [(1, True), (1, False)]
    assert await deliver(mx, again) == [(1, True), (1, False)]
    assert await references(store) == [{bob.account.encode()}]
    assert await bob.bodies([1], WHOLE) == {(1, 0): MESSAGE}


# -- failures -------------------------------------------------------------------------------


class FailingFor:
    """The index, out of reach for one account until `heal`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, account: str, failure: Exception) -> None:
        self._patch = monkeypatch
        whole = MessageOperations.append

        async def append(index: MessageOperations, scope: Scope, *args: Any) -> Any:
            if scope.account == account:
                raise failure
            return await whole(index, scope, *args)

        self._whole = whole
        monkeypatch.setattr(MessageOperations, "append", append)

    def heal(self) -> None:
        self._patch.setattr(MessageOperations, "append", self._whole)


async def test_a_failure_for_one_is_told_and_a_repeat_doubles_nothing(
    store: Store, mx: Api, alice: Api, bob: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = FailingFor(monkeypatch, bob.account, Unavailable())
    request = delivery(bob.account, alice.account, key=KEY)
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await deliver(mx, request)
    assert ((await alice.mailbox()).messages, (await bob.mailbox()).messages) == (1, 0)
    failing.heal()
    assert await deliver(mx, request) == [(1, False)] * 2
    assert ((await alice.mailbox()).messages, (await bob.mailbox()).messages) == (1, 1)
    assert files(store) == 1


async def test_the_sender_comes_again_after_a_failure(
    mx: Api, alice: Api, bob: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = FailingFor(monkeypatch, bob.account, Unavailable())
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await deliver(mx, delivery(bob.account, alice.account, key=KEY))
    failing.heal()
    assert await deliver(mx, delivery(bob.account, alice.account, key=KEY)) == [(1, False), (1, True)]
    assert ((await alice.mailbox()).messages, (await bob.mailbox()).messages) == (1, 1)


async def test_accounts_that_are_gone(store: Store, mx: Api, alice: Api, bob: Api) -> None:
    await delete_account(store, bob.account)
    assert await deliver(mx, delivery(alice.account, bob.account)) == [(1, False), (0, False)]
    assert await references(store) == [{alice.account.encode()}]
    await delete_account(store, alice.account)
    assert await deliver(mx, delivery(alice.account, bob.account)) == [(0, False)] * 2
    assert await deliver(mx, delivery(alice.account)) == [(0, False)]
    assert files(store) == 1  # bodies that nobody took are gone


@pytest.mark.parametrize(
    "change",
    [
        lambda request: request.ClearField("recipients"),
        lambda request: request.recipients.add(account="nobody"),
        lambda request: request.recipients.extend(list(request.recipients) * 1000),
        lambda request: setattr(request, "dedupe_key", b"short"),
        lambda request: setattr(request.message, "inline", bytes(65_537)),
    ],
)
async def test_bad_requests(mx: Api, alice: Api, change: Any) -> None:
    request = delivery(alice.account)
    change(request)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await deliver(mx, request)


async def test_a_full_store_takes_no_mail(
    store: Store, mx: Api, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deliver(mx, delivery(alice.account))

    async def full(_: object) -> None:
        raise Refused("STORAGE_FULL", "The store is full")

    monkeypatch.setattr(type(store.platform.index), "check_room", full)
    with refused("RESOURCE_EXHAUSTED", "STORAGE_FULL"):
        await deliver(mx, delivery(alice.account))
    with refused("RESOURCE_EXHAUSTED", "STORAGE_FULL"):
        await alice.append(MESSAGE)
    assert await alice.expunge([1]) == [1]  # making room works


async def test_a_submitter_needs_a_session_that_goes_on(store: Store, alice: Api) -> None:
    submission = await store.login("alice", "submission")
    assert await deliver(submission, delivery(alice.account)) == [(1, False)]
    await store.platform.index.set_password(rid(), alice.account, "")
    with refused("UNAUTHENTICATED", "SESSION_ENDED"):
        await deliver(submission, delivery(alice.account))
