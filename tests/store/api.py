"""The API as a caller of some role sees it, over a real channel to a real store."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from buuta.v1 import (
    account_pb2_grpc,
    auth_pb2,
    auth_pb2_grpc,
    change_pb2_grpc,
    delivery_pb2_grpc,
    mailbox_pb2,
    mailbox_pb2_grpc,
    maildrop_pb2_grpc,
    message_pb2,
    message_pb2_grpc,
)
from buuta.v1.columns_pb2 import MessageColumns, MessageSource
from services.common.grpc_options import CLIENT_OPTIONS
from services.common.ids import new_request_id
from services.common.retry import reason_of
from tests.support.store import RunningStore, running_store

TIMEOUT = 60.0


class _Service:
    """A stub whose calls carry the caller's tokens."""

    def __init__(self, stub: Any, metadata: tuple[tuple[str, str], ...]) -> None:
        self._stub, self._metadata = stub, metadata

    def __getattr__(self, name: str) -> Any:
        return functools.partial(getattr(self._stub, name), metadata=self._metadata, timeout=TIMEOUT)


class Api:
    """All services, called with these tokens."""

    def __init__(self, channel: grpc.aio.Channel, token: str, session: str = "", account: str = "") -> None:
        metadata = [("authorization", f"Bearer {token}")] if token else []
        if session:
            metadata.append(("buuta-session", session))
        tokens = tuple(metadata)
        self.channel, self.tokens = channel, tokens
        self.session, self.account = session, account
        self.accounts: Any = _Service(account_pb2_grpc.AccountServiceStub(channel), tokens)
        self.auth: Any = _Service(auth_pb2_grpc.AuthServiceStub(channel), tokens)
        self.mailboxes: Any = _Service(mailbox_pb2_grpc.MailboxServiceStub(channel), tokens)
        self.messages: Any = _Service(message_pb2_grpc.MessageServiceStub(channel), tokens)
        self.maildrops: Any = _Service(maildrop_pb2_grpc.MaildropServiceStub(channel), tokens)
        self.delivery: Any = _Service(delivery_pb2_grpc.DeliveryServiceStub(channel), tokens)
        self.changes: Any = _Service(change_pb2_grpc.ChangeServiceStub(channel), tokens)

    # What many tests do with an account's mail.

    async def mailbox(self, name: str = "INBOX") -> mailbox_pb2.Mailbox:
        request = mailbox_pb2.GetMailboxRequest(account=self.account, name=name)
        mailbox: mailbox_pb2.Mailbox = (await self.mailboxes.GetMailbox(request)).mailbox
        return mailbox

    async def create(self, name: str) -> mailbox_pb2.Mailbox:
        request = mailbox_pb2.CreateMailboxRequest(account=self.account, name=name)
        request.request_id = new_request_id()
        mailbox: mailbox_pb2.Mailbox = (await self.mailboxes.CreateMailbox(request)).mailbox
        return mailbox

    async def append(self, *messages: bytes, name: str = "INBOX", flags: int = 0) -> list[int]:
        """UIDs of new messages."""
        request = message_pb2.AppendRequest(account=self.account, request_id=new_request_id(), name=name)
        for octets in messages:
            request.entries.add(message=MessageSource(inline=octets), flags=flags)
        return uids_of((await self.messages.Append(request)).uids)

    async def sync(self, name: str = "INBOX", **fields: Any) -> mailbox_pb2.SyncMailboxResponse:
        request = mailbox_pb2.SyncMailboxRequest(account=self.account, name=name, **fields)
        response: mailbox_pb2.SyncMailboxResponse = await self.mailboxes.SyncMailbox(request)
        return response

    async def flag(self, uids: list[int], flags: int, operation: int = 1, **more: Any) -> Any:
        """UpdateFlags in INBOX (or `mailbox`)."""
        mailbox = more.pop("mailbox", 0) or (await self.mailbox()).id
        request = message_pb2.UpdateFlagsRequest(
            account=self.account, request_id=new_request_id(), mailbox=mailbox, **more
        )
        request.uids, request.flags, request.operation = column(uids), flags, operation  # type: ignore[assignment]
        return await self.messages.UpdateFlags(request)

    async def expunge(self, uids: list[int], name: str = "INBOX") -> list[int]:
        """Mark as deleted and remove."""
        mailbox = (await self.mailbox(name)).id
        await self.flag(uids, 8, mailbox=mailbox)
        request = message_pb2.ExpungeMessagesRequest(account=self.account, request_id=new_request_id())
        request.mailbox, request.uids = mailbox, column(uids)
        return uids_of((await self.messages.ExpungeMessages(request)).uids)

    async def bodies(
        self, uids: list[int], *sections: message_pb2.BodySection, mailbox: int = 0, **more: Any
    ) -> dict[tuple[int, int], bytes | None]:
        """Octets by UID and section; None for an absent part."""
        mailbox = mailbox or (await self.mailbox()).id
        request = message_pb2.FetchBodiesRequest(
            account=self.account, mailbox=mailbox, uids=column(uids), sections=sections, **more
        )
        return await collect(self.messages.FetchBodies(request))


async def collect(responses: AsyncIterator[Any]) -> dict[tuple[int, int], bytes | None]:
    """The pieces of FetchBodies put together, their order and lengths checked."""
    found: dict[tuple[int, int], bytes | None] = {}
    lengths: dict[tuple[int, int], int] = {}
    async for response in responses:
        assert sum(len(piece.data) for piece in response.pieces) <= 256 * 1024
        for piece in response.pieces:
            key = piece.uid, piece.section
            assert piece.first == (key not in found)
            if piece.first:
                lengths[key] = piece.length
            found[key] = None if piece.absent else (found.get(key) or b"") + piece.data
            assert piece.last == (piece.absent or len(found[key] or b"") == lengths[key])
    return found


def column(uids: list[int]) -> bytes:
    return np.array(uids, "<u4").tobytes()


def uids_of(data: bytes) -> list[int]:
    found: list[int] = np.frombuffer(data, "<u4").tolist()
    return found


def rows_of(columns: MessageColumns) -> dict[int, int]:
    """Flags by UID."""
    flags: list[int] = np.frombuffer(columns.flags, "<u8").tolist()
    return dict(zip(uids_of(columns.uids), flags, strict=True))


class Store:
    """A running store and callers of it."""

    def __init__(self, running: RunningStore, channel: grpc.aio.Channel) -> None:
        self.running, self._channel = running, channel
        self.platform = running.store.platform

    def api(self, role: str, session: str = "", account: str = "") -> Api:
        return Api(self._channel, self.running.token(role), session, account)

    def stranger(self, token: str) -> Api:
        return Api(self._channel, token)

    async def login(self, name: str, role: str = "imap", password: str = "") -> Api:
        """A caller in the name of a user whose password is his name."""
        request = auth_pb2.AuthenticateRequest(username=name, password=(password or name).encode())
        answer = await self.api(role).auth.Authenticate(request)
        return self.api(role, answer.session_token, answer.account)


@contextlib.asynccontextmanager
async def serving(redis_url: str, bodies: Path, **settings: str) -> AsyncIterator[Store]:
    """A real store on this Redis and this folder."""
    async with (
        running_store(redis_url, bodies, **settings) as running,
        grpc.aio.insecure_channel(running.endpoint, options=CLIENT_OPTIONS) as channel,
    ):
        yield Store(running, channel)


def known(answer: mailbox_pb2.SyncMailboxResponse) -> dict[str, Any]:
    """What a caller says it has, after this answer."""
    return {
        "uidvalidity": answer.mailbox.uidvalidity,
        "incarnation": answer.incarnation,
        "since_seq": answer.seq,
    }


@contextlib.contextmanager
def refused(code: str, reason: str) -> Iterator[None]:
    """The call ends with this status and this ErrorInfo.reason."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield
    error = caught.value
    assert (error.code().name, reason_of(error)) == (code, reason), error.details()


async def until(holds: Callable[[], object]) -> None:
    """Wait for what comes by itself."""
    async with asyncio.timeout(TIMEOUT):
        while not holds():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)


rid = new_request_id
