"""Requests that come twice: the same reply and no second effect; and messages that are delivered twice."""

import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
import pytest

from services.common.errors import Refused
from services.store.index import keys
from services.store.index.core import Request, Scope
from services.store.index.index import Index
from services.store.index.messages import FlagChange
from services.store.index.record import DELETED, SEEN
from tests.store.index.support import (
    fill,
    header,
    keys_of,
    log_length,
    message,
    new_account,
    records,
    request,
    uids,
)

Operation = Callable[[Index, Scope, Request], Awaitable[object]]
SENT = [message(), message(SEEN)]
OPERATIONS: dict[str, Operation] = {
    "append": lambda index, scope, by: index.append(scope, by, 1, SENT),
    "flags": lambda index, scope, by: index.update_flags(scope, by, 1, uids(1), FlagChange(1, SEEN)),
    "expunge": lambda index, scope, by: index.expunge(scope, by, 1, uids(1, 2)),
    "copy": lambda index, scope, by: index.copy(scope, by, 1, uids(1, 2), "Trash", False),
    "move": lambda index, scope, by: index.copy(scope, by, 1, uids(1, 2), "Trash", True),
    "recent": lambda index, scope, by: index.claim_recent(scope, by, 1),
    "create": lambda index, scope, by: index.create_mailbox(scope, by, "new/mailbox", 0),
    "delete": lambda index, scope, by: index.delete_mailbox(scope, by, "Junk"),
    "rename": lambda index, scope, by: index.rename_mailbox(scope, by, "INBOX", "old"),
    "subscribe": lambda index, scope, by: index.subscribe(scope, by, "Junk", False),
}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_repeat_has_the_first_reply_and_no_effect(index: Index, operation: str) -> None:
    perform = OPERATIONS[operation]
    scope, by = await new_account(index), request()
    await fill(index, scope, 3, flags=DELETED)
    first = await perform(index, scope, by)
    before, length = await keys_of(index), await log_length(index, scope)
    assert repr(await perform(index, scope, by)) == repr(first)
    with pytest.raises(Refused) as refused:
        await perform(index, scope, replace(by, digest=b"of other"))
    assert refused.value.reason == "REQUEST_ID"
    assert (await keys_of(index), await log_length(index, scope)) == (before, length)


async def test_request_ids_of_two_accounts_have_nothing_to_do_with_each_other(index: Index) -> None:
    """A message to several recipients is one request, and each account's step is its own."""
    shard = 7
    scopes = [Scope(keys.account_id(shard, bytes([n]) * 8), "1") for n in range(2)]
    by = request()
    for place, scope in enumerate(scopes):
        await index.create_account(b"", scope.account, f"u{place}@example.test", "credential")
        await index.append(scope, by, 1, [message()])
    assert [(await header(index, scope)).messages for scope in scopes] == [1, 1]


async def test_a_refusal_is_not_remembered(index: Index) -> None:
    scope, by = await new_account(index), request()
    with pytest.raises(Refused):
        await index.append(scope, by, "later", SENT)
    await index.create_mailbox(scope, request(), "later", 0)
    done = await index.append(scope, by, "later", SENT)
    assert np.frombuffer(done.uids, "<u4").tolist() == [1, 2]


async def test_request_ids_expire(index: Index) -> None:
    """Not before the last retry: ids are taken for ten minutes, and kept for 25 to 26."""
    scope = await new_account(index)
    await fill(index, scope, 1)
    tag = keys.tag(keys.shard_of(scope.account))
    kept = [
        key for node in index.connection.servers for key in await node.call(("KEYS", tag + b":rq:*"), False)
    ]
    [left] = [await index.connection.command("TTL", key) for key in kept]
    assert 25 * 60 < left <= 26 * 60


async def test_what_expires_is_kept_from_its_last_write(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its expiry is written again when that is old, by whichever clock, and not with each message."""
    scope, moment = await new_account(index), 1_900_000_000.0
    now = [moment]
    monkeypatch.setattr("services.store.index.core.time.time", lambda: now[0])
    time_of_id = request().id[:6]

    async def append(at: float) -> None:
        now[0] = moment + at
        by = Request(time_of_id + os.urandom(10), b"digest..")
        await index.append(scope, by, "INBOX", SENT[:1], os.urandom(16))

    await append(0)
    tag, account = keys.tag(keys.shard_of(scope.account)), keys.account_key(scope.account)
    node = index.connection.node(account)
    [requests] = await node.call(("KEYS", tag + b":rq:*"), False)
    [deliveries] = await node.call(("KEYS", account + b":dd:*"), False)
    for key, most, least, soon, late in (
        (requests, 26 * 60, 25 * 60, 59, 61),
        (deliveries, 26 * 3600, 25 * 3600, 3599, 3601),
    ):
        for sign in (1, -1):
            await append(0)
            await append(sign * late)
            assert least < await node.call(("TTL", key), False) <= most
            await append(0)
            await node.call(("EXPIRE", key, 100), True)
            await append(sign * soon)
            assert await node.call(("TTL", key), False) <= 100
            await append(sign * late)
            assert least < await node.call(("TTL", key), False) <= most


# -- deliveries ---------------------------------------------------------------------------


async def test_a_delivered_message_is_not_delivered_again(index: Index) -> None:
    scope, key = await new_account(index), b"dedupe key of 16"
    first = await index.append(scope, request(), "INBOX", SENT[:1], key)
    assert not first.duplicate
    before, length = await keys_of(index), await log_length(index, scope)
    again = await index.append(scope, request(), "INBOX", [message()], key)
    assert again == replace(first, duplicate=True)
    assert (await keys_of(index), await log_length(index, scope)) == (before, length)
    other = await index.append(scope, request(), "INBOX", [message()], b"another key of16")
    assert not other.duplicate
    assert (await records(index, scope))["uid"].tolist() == [1, 2]


async def test_a_repeat_of_a_delivery_is_no_duplicate(index: Index) -> None:
    """The sender's retry of one request is told what its first try did."""
    scope, by = await new_account(index), request()
    first = await index.append(scope, by, "INBOX", SENT[:1], b"dedupe key of 16")
    assert await index.append(scope, by, "INBOX", SENT[:1], b"dedupe key of 16") == first


@pytest.mark.parametrize("hours", [-48, -1, 0, 1, 24, 48])
async def test_a_repeat_is_told_the_same_by_any_clock(
    index: Index, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """The store that repeats may be on another day than the one that delivered; a duplicate stays one."""
    scope, by, later, key = await new_account(index), request(), request(), b"dedupe key of 16"
    moment = time.time()
    first = await index.append(scope, by, "INBOX", SENT[:1], key)
    second = await index.append(scope, later, "INBOX", SENT[:1], key)
    assert (first.duplicate, second) == (False, replace(first, duplicate=True))
    monkeypatch.setattr("services.store.index.core.time.time", lambda: moment + hours * 3600)
    before, length = await keys_of(index), await log_length(index, scope)
    assert await index.append(scope, by, "INBOX", SENT[:1], key) == first
    assert await index.append(scope, later, "INBOX", SENT[:1], key) == second
    assert (await keys_of(index), await log_length(index, scope)) == (before, length)


async def test_what_is_remembered_of_a_delivery_is_short(index: Index) -> None:
    """The reply is kept once, where it lasts longest; the request has the day on which to look for it."""
    scope, key = await new_account(index), b"dedupe key of 16"
    by = request()
    done = await index.append(scope, by, "INBOX", SENT[:1], key)
    tag, account = keys.tag(keys.shard_of(scope.account)), keys.account_key(scope.account)
    node = index.connection.node(account)
    [requests] = await node.call(("KEYS", tag + b":rq:*"), False)
    [deliveries] = await node.call(("KEYS", account + b":dd:*"), False)
    told = await index.connection.command("HGET", deliveries, key)
    assert told == b"\x01\xce" + done.uidvalidity.to_bytes(4, "big") + b"\x07\x01\x01"
    day = int(deliveries.rpartition(b":")[2])
    name = hashlib.sha256(by.id + account).digest()[:12]
    remembered = await index.connection.command("HGET", requests, name)
    assert remembered == by.digest + b"\xcd" + day.to_bytes(2, "big")


async def test_numbers_of_any_size_are_told_again(index: Index) -> None:
    """A mailbox of a large account, near the end of its UIDs."""
    scope, by, key = await new_account(index), request(), b"dedupe key of 16"
    account = keys.account_key(scope.account)
    await index.connection.change("HSET", account, "seq", 2**52)
    await index.connection.change("HSET", account + b":m:1", "uidv", 2**32 - 1, "uidnext", 2**32 - 200)
    for request_id, dedupe in ((by, b""), (request(), key)):
        first = await index.append(scope, request_id, "INBOX", [message()] * 40, dedupe)
        assert (first.uidvalidity, len(first.uids)) == (2**32 - 1, 160)
        assert first.seq > 2**52
        assert await index.append(scope, request_id, "INBOX", [message()] * 40, dedupe) == first


async def test_deliveries_are_remembered_for_a_day(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    scope, key = await new_account(index), b"dedupe key of 16"
    now = [1_900_000_000.0]
    monkeypatch.setattr("services.store.index.core.time.time", lambda: now[0])
    await index.append(scope, request(), "INBOX", [message()], key)
    for hours, duplicate in ((23.9, True), (24.2, True), (72, False)):
        now[0] = 1_900_000_000.0 + hours * 3600
        done = await index.append(scope, request(), "INBOX", [message()], key)
        assert done.duplicate is duplicate
    [*kept] = [
        bucket
        for node in index.connection.servers
        for bucket in await node.call(("KEYS", keys.account_key(scope.account) + b":dd:*"), False)
    ]
    for bucket in kept:
        left = await index.connection.command("PTTL", bucket)
        assert left > 24 * 3600 * 1000


# -- the maildrop's lock --------------------------------------------------------------------


async def test_one_session_has_the_maildrop(index: Index) -> None:
    scope, one, two = await new_account(index), b"1" * 16, b"2" * 16
    await fill(index, scope, 2)
    before, length = await keys_of(index), await log_length(index, scope)

    async def refusal(token: bytes, renew: bool) -> str:
        with pytest.raises(Refused) as refused:
            await index.lock_maildrop(scope, token, 60_000, renew)
        return refused.value.reason

    assert await refusal(one, renew=True) == "MAILDROP_LOCK_LOST"
    await index.lock_maildrop(scope, one, 60_000, renew=False)
    await index.lock_maildrop(scope, one, 90_000, renew=True)
    key = keys.account_key(scope.account) + b":lock"
    assert await index.connection.command("GET", key) == one
    assert 60_000 < await index.connection.command("PTTL", key) <= 90_000
    assert await refusal(two, renew=False) == "MAILDROP_LOCKED"
    assert await refusal(two, renew=True) == "MAILDROP_LOCK_LOST"
    assert (await keys_of(index), await log_length(index, scope)) == (before, length)


async def test_closing_a_maildrop_removes_and_unlocks_in_one_step(index: Index) -> None:
    scope, lock, by = await new_account(index), b"1" * 16, request()
    await fill(index, scope, 3)
    before = await keys_of(index)
    with pytest.raises(Refused) as refused:
        await index.expunge(scope, by, 1, uids(1), force=True, lock=lock)
    assert refused.value.reason == "MAILDROP_LOCK_LOST"
    assert await keys_of(index) == before
    await index.lock_maildrop(scope, lock, 60_000, renew=False)
    first = await index.expunge(scope, by, 1, uids(1, 3, 9), force=True, lock=lock)
    assert first[1].tolist() == [1, 3]
    assert await index.connection.command("GET", keys.account_key(scope.account) + b":lock") is None
    again = await index.expunge(scope, by, 1, uids(1, 3, 9), force=True, lock=lock)
    assert (again[0], again[1].tolist()) == (first[0], [1, 3])


async def test_closing_a_maildrop_without_removing(index: Index) -> None:
    scope, lock = await new_account(index), b"1" * 16
    await index.lock_maildrop(scope, lock, 60_000, renew=False)
    before = await keys_of(index)
    _, gone = await index.expunge(scope, request(), 1, uids(), force=True, lock=lock)
    assert gone.tolist() == []
    assert await keys_of(index) == before
    await index.lock_maildrop(scope, b"2" * 16, 60_000, renew=False)
