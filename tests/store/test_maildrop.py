"""MaildropService: a snapshot under an exclusive lock, expunged and unlocked in one step."""

import time
from typing import Any

import pytest

from buuta.v1 import maildrop_pb2 as pb
from services.store.index import keys, messages
from services.store.maildrop_service import LOCK_SECONDS
from tests.store.api import Api, Store, column, refused, rid, rows_of, uids_of

MESSAGE = b"Subject: x\r\n\r\ntext\r\n"


@pytest.fixture
async def pop3(store: Store, alice: Api) -> Api:
    await alice.append(MESSAGE, MESSAGE + b"more\r\n", MESSAGE)
    return await store.login("alice", "pop3")


async def open_drop(api: Api, request_id: bytes = b"") -> pb.OpenMaildropResponse:
    request = pb.OpenMaildropRequest(account=api.account, request_id=request_id or rid())
    opened: pb.OpenMaildropResponse = await api.maildrops.OpenMaildrop(request)
    return opened


async def renew(api: Api, lock: bytes) -> Any:
    return await api.maildrops.RenewMaildrop(pb.RenewMaildropRequest(account=api.account, lock=lock))


def closing(api: Api, opened: pb.OpenMaildropResponse, uids: list[int]) -> pb.CloseMaildropRequest:
    request = pb.CloseMaildropRequest(account=api.account, request_id=rid(), lock=opened.lock)
    request.mailbox, request.uids = opened.mailbox, column(uids)
    return request


async def lose_lock(store: Store, api: Api) -> None:
    """As if it had not been renewed in time."""
    await store.platform.index.connection.change("DEL", keys.account_key(api.account) + b":lock")


async def test_open_is_a_snapshot(alice: Api, pop3: Api) -> None:
    before = time.time()
    opened = await open_drop(pop3)
    assert uids_of(opened.uids) == [1, 2, 3]
    assert uids_of(opened.sizes) == [len(MESSAGE), len(MESSAGE) + 6, len(MESSAGE)]
    inbox = await alice.mailbox()
    assert (opened.mailbox, opened.uidvalidity) == (inbox.id, inbox.uidvalidity)
    assert before + LOCK_SECONDS - 1 <= opened.expire_time.seconds <= time.time() + LOCK_SECONDS


async def test_only_one_session(store: Store, pop3: Api) -> None:
    request_id = rid()
    opened = await open_drop(pop3, request_id)
    assert (await open_drop(pop3, request_id)).lock == opened.lock  # the answer got lost
    with refused("FAILED_PRECONDITION", "MAILDROP_LOCKED"):
        await open_drop(pop3)
    other = await store.login("bob", "pop3")
    await open_drop(other)  # his is another one
    await pop3.maildrops.CloseMaildrop(closing(pop3, opened, []))
    await open_drop(pop3)


async def test_imap_goes_on_beside_it(alice: Api, pop3: Api) -> None:
    opened = await open_drop(pop3)
    await alice.append(MESSAGE)
    await alice.expunge([1])
    closed = await pop3.maildrops.CloseMaildrop(closing(pop3, opened, [1, 2]))
    assert closed.removed == 1  # the other was gone already
    assert list(rows_of((await alice.sync()).changed)) == [3, 4]


async def test_close_removes_and_unlocks_once(alice: Api, pop3: Api) -> None:
    opened = await open_drop(pop3)
    request = closing(pop3, opened, [1, 3])
    first = await pop3.maildrops.CloseMaildrop(request)
    assert first.removed == 2
    await open_drop(pop3)  # another session has it by now
    assert await pop3.maildrops.CloseMaildrop(request) == first  # the answer got lost
    assert list(rows_of((await alice.sync()).changed)) == [2]
    with refused("FAILED_PRECONDITION", "MAILDROP_LOCKED"):
        await open_drop(pop3)


async def test_a_lost_lock_removes_nothing(store: Store, alice: Api, pop3: Api) -> None:
    opened = await open_drop(pop3)
    assert (await renew(pop3, opened.lock)).expire_time.seconds >= opened.expire_time.seconds
    await lose_lock(store, pop3)
    with refused("FAILED_PRECONDITION", "MAILDROP_LOCK_LOST"):
        await renew(pop3, opened.lock)
    for uids in ([1, 2], []):
        with refused("FAILED_PRECONDITION", "MAILDROP_LOCK_LOST"):
            await pop3.maildrops.CloseMaildrop(closing(pop3, opened, uids))
    assert (await alice.mailbox()).messages == 3


async def test_the_lock_of_another_session_opens_nothing(store: Store, alice: Api, pop3: Api) -> None:
    old = await open_drop(pop3)
    await lose_lock(store, pop3)
    new = await open_drop(pop3)
    for lock in (old.lock, b"", b"x", bytes(16)):
        with refused("FAILED_PRECONDITION", "MAILDROP_LOCK_LOST"):
            await renew(pop3, lock)
    with refused("FAILED_PRECONDITION", "MAILDROP_LOCK_LOST"):
        await pop3.maildrops.CloseMaildrop(closing(pop3, old, [1]))
    await renew(pop3, new.lock)
    assert (await alice.mailbox()).messages == 3


async def test_the_lock_has_an_end(store: Store, pop3: Api) -> None:
    opened = await open_drop(pop3)
    connection = store.platform.index.connection
    key = keys.account_key(pop3.account) + b":lock"
    assert await connection.command("GET", key) == opened.lock
    assert 0 < await connection.command("PTTL", key) <= LOCK_SECONDS * 1000
    await connection.change("PEXPIRE", key, 1000)
    await renew(pop3, opened.lock)
    assert await connection.command("PTTL", key) > 1000


async def test_a_close_in_several_steps(alice: Api, pop3: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_FLAGS_STEP", 2)
    opened = await open_drop(pop3)
    request = closing(pop3, opened, [1, 2, 3])
    first = await pop3.maildrops.CloseMaildrop(request)
    assert first.removed == 3
    assert await pop3.maildrops.CloseMaildrop(request) == first
    assert (await alice.mailbox()).messages == 0
    await open_drop(pop3)


async def test_rights_of_sessions(store: Store, alice: Api, pop3: Api) -> None:
    bob = await store.login("bob", "pop3")
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await store.api("pop3", bob.session).maildrops.OpenMaildrop(
            pb.OpenMaildropRequest(account=alice.account, request_id=rid())
        )
    opened = await open_drop(pop3)
    with refused("FAILED_PRECONDITION", "MAILDROP_LOCK_LOST"):
        await renew(bob, opened.lock)
