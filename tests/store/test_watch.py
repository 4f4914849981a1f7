"""Watch: events in order, a token to go on from, and what happens when that is not possible."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from buuta.v1 import account_pb2, change_pb2_grpc, mailbox_pb2, message_pb2
from buuta.v1 import change_pb2 as pb
from services.common.grpc_options import CLIENT_OPTIONS
from services.common.retry import reason_of
from services.store.change_service import ChangeService
from services.store.event_watch import read_token
from services.store.index import keys
from tests.store.api import TIMEOUT, Api, Store, column, refused, rid, uids_of, until
from tests.support.processes import RedisServer
from tests.support.store import running_store

MESSAGE = b"Subject: x\r\n\r\n"


class Events:
    """One integrator's stream."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self._responses = aiter(call)
        self.token = b""

    async def next(self) -> pb.WatchResponse:
        response: pb.WatchResponse = await asyncio.wait_for(anext(self._responses), TIMEOUT)
        self.token = response.token
        return response

    async def take(self, count: int) -> list[pb.Event]:
        """The next events."""
        found: list[pb.Event] = []
        while len(found) < count:
            found += (await self.next()).events
        assert len(found) == count
        return found

    async def end(self) -> None:
        """Read until the stream fails."""
        while True:
            await self.next()


@contextlib.asynccontextmanager
async def watch(api: Api, account: str = "", token: bytes = b"") -> AsyncIterator[Events]:
    call = api.changes.Watch(pb.WatchRequest(account=account, token=token))
    events = Events(call)
    try:
        assert not (await events.next()).events  # it is in place
        yield events
    finally:
        call.cancel()


async def first_of(api: Api, account: str, token: bytes = b"") -> pb.WatchResponse:
    """The first response, or why there is none."""
    call = api.changes.Watch(pb.WatchRequest(account=account, token=token))
    response: pb.WatchResponse = await anext(aiter(call))
    return response


async def test_everything_is_told_in_order(store: Store, admin: Api, alice: Api) -> None:
    inbox = (await alice.mailbox()).id
    async with watch(admin, alice.account) as events:
        await alice.append(MESSAGE, MESSAGE)
        await alice.flag([1], 1)
        other = await alice.create("Other")
        await alice.messages.CopyMessages(
            message_pb2.CopyMessagesRequest(
                account=alice.account,
                request_id=rid(),
                mailbox=inbox,
                uids=column([1, 2]),
                destination="Other",
            )
        )
        await alice.messages.MoveMessages(
            message_pb2.MoveMessagesRequest(
                account=alice.account, request_id=rid(), mailbox=inbox, uids=column([2]), destination="Other"
            )
        )
        await alice.expunge([1])
        await alice.mailboxes.RenameMailbox(
            mailbox_pb2.RenameMailboxRequest(
                account=alice.account, request_id=rid(), name="Other", new_name="New"
            )
        )
        await alice.mailboxes.SubscribeMailbox(
            mailbox_pb2.SubscribeMailboxRequest(
                account=alice.account, request_id=rid(), name="New", subscribed=True
            )
        )
        await alice.mailboxes.DeleteMailbox(
            mailbox_pb2.DeleteMailboxRequest(account=alice.account, request_id=rid(), name="New")
        )
        found = await events.take(10)
    Kind = pb.Event
    assert [
        (event.kind, event.mailbox, uids_of(event.uids), event.source_mailbox, event.name) for event in found
    ] == [
        (Kind.KIND_MESSAGES_ADDED, inbox, [1, 2], 0, ""),
        (Kind.KIND_FLAGS_CHANGED, inbox, [1], 0, ""),
        (Kind.KIND_MAILBOX_CREATED, other.id, [], 0, "Other"),
        (Kind.KIND_MESSAGES_COPIED, other.id, [1, 2], inbox, ""),
        (Kind.KIND_MESSAGES_MOVED, other.id, [3], inbox, ""),
        (Kind.KIND_FLAGS_CHANGED, inbox, [1], 0, ""),
        (Kind.KIND_MESSAGES_EXPUNGED, inbox, [1], 0, ""),
        (Kind.KIND_MAILBOX_RENAMED, other.id, [], 0, "New"),
        (Kind.KIND_MAILBOX_SUBSCRIBED, other.id, [], 0, "New"),
        (Kind.KIND_MAILBOX_DELETED, other.id, [], 0, "New"),
    ]
    assert [event.seq for event in found] == sorted({event.seq for event in found})
    assert {event.account for event in found} == {alice.account}
    assert all(event.time.seconds > 1_700_000_000 for event in found)


async def test_a_token_goes_on_behind_what_it_covers(admin: Api, alice: Api) -> None:
    async with watch(admin, alice.account) as events:
        await alice.append(MESSAGE)
        await events.take(1)
    for _ in range(120):  # more than one read of the log
        await alice.append(MESSAGE)
    async with watch(admin, alice.account, events.token) as again:
        found = await again.take(120)
        assert [uids_of(event.uids) for event in found] == [[uid] for uid in range(2, 122)]


async def test_a_watch_without_a_token_begins_now(admin: Api, alice: Api) -> None:
    await alice.append(MESSAGE)
    async with watch(admin, alice.account) as events:
        await alice.append(MESSAGE)
        [event] = await events.take(1)
        assert uids_of(event.uids) == [2]


async def test_an_account_does_not_hear_of_others(store: Store, alice: Api) -> None:
    bob = await store.login("bob")
    async with watch(alice, alice.account) as events:
        await bob.append(MESSAGE)
        await alice.append(MESSAGE)
        assert [event.account for event in await events.take(1)] == [alice.account]


async def test_an_administrator_hears_of_all(store: Store, admin: Api, alice: Api) -> None:
    bob = await store.login("bob")
    async with watch(admin) as events:
        request = account_pb2.CreateAccountRequest(request_id=rid(), address="carol@example.test")
        request.password.clear = "x"
        carol = (await admin.accounts.CreateAccount(request)).account.id
        await alice.append(MESSAGE)
        await bob.append(MESSAGE)
        assert {event.account for event in await events.take(3)} == {alice.account, bob.account, carol}
        await alice.append(MESSAGE)
    async with watch(admin, token=events.token) as again:
        assert [event.account for event in await again.take(1)] == [alice.account]


async def test_who_may_watch(store: Store, alice: Api) -> None:
    bob = await store.login("bob")
    for account in ("", bob.account):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await first_of(alice, account)


async def test_a_session_that_ends_watches_no_longer(store: Store, alice: Api) -> None:
    async with watch(alice, alice.account) as events:
        await store.platform.index.set_password(rid(), alice.account, "")
        with refused("UNAUTHENTICATED", "SESSION_ENDED"):
            await events.end()
    with refused("UNAUTHENTICATED", "SESSION_ENDED"):
        await first_of(alice, alice.account)


@pytest.mark.parametrize("token", [b"x", b"\x01abc", b"\x02" + bytes(14)])
async def test_what_is_no_token(admin: Api, alice: Api, token: bytes) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await first_of(admin, alice.account, token)


# -- when it cannot go on -------------------------------------------------------------------


@contextlib.asynccontextmanager
async def store_with(redis: RedisServer, folder: Path, **settings: str) -> AsyncIterator[Store]:
    async with (
        running_store(redis.url, folder, **settings) as running,
        grpc.aio.insecure_channel(running.endpoint, options=CLIENT_OPTIONS) as channel,
    ):
        yield Store(running, channel)


async def test_a_token_that_is_too_old(redis_server: RedisServer, tmp_path: Path) -> None:
    async with store_with(redis_server, tmp_path / "bodies", LOG_RETENTION="50") as store:
        alice, admin = await store.login("alice"), store.api("admin")
        async with watch(admin, alice.account) as events:
            await alice.append(MESSAGE)
            await events.take(1)
        for _ in range(250):  # Redis drops whole blocks of a hundred entries
            await alice.append(MESSAGE)
        with refused("OUT_OF_RANGE", "RESYNC_REQUIRED"):
            await first_of(admin, alice.account, events.token)


async def test_a_token_of_a_future_that_was_lost(store: Store, admin: Api, alice: Api) -> None:
    """Redis was put back to an older state: what the token covers never happened there."""
    async with watch(admin, alice.account) as events:
        await alice.append(MESSAGE)
        await events.take(1)
    shard = keys.shard_of(alice.account)
    connection = store.platform.index.connection
    await connection.change("XDEL", b"{s%04d}:events" % shard, read_token(events.token)[shard])
    with refused("OUT_OF_RANGE", "RESYNC_REQUIRED"):
        await first_of(admin, alice.account, events.token)


async def test_a_slow_consumer_is_cut_and_goes_on_later(store: Store, admin: Api, alice: Api) -> None:
    """It reads nothing while more comes than the connection takes."""
    await alice.append(*[MESSAGE] * 1000)
    server = grpc.aio.server()
    service = ChangeService(store.platform, slow_seconds=0.5)
    change_pb2_grpc.add_ChangeServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    options = [("grpc.http2.lookahead_bytes", 65_536), ("grpc.http2.bdp_probe", 0)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        slow = Api(channel, store.running.token("admin"))
        async with watch(slow, alice.account) as events:
            for number in range(200):
                await alice.flag(list(range(1, 1001)), number % 2, operation=3)
            await until(lambda: alice.account not in store.platform.hints._listeners)
            with pytest.raises(grpc.aio.AioRpcError) as cut:
                await events.end()
    await server.stop(None)
    assert (cut.value.code().name, reason_of(cut.value)) == ("RESOURCE_EXHAUSTED", "SLOW_CONSUMER")
    async with watch(admin, alice.account, events.token) as again:
        assert (await again.next()).events
