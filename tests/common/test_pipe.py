"""Pipes: many calls on one stream, each answered as it would be by itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from buuta.v1 import call_pb2_grpc, mailbox_pb2, message_pb2
from services.common import pipe
from services.common.errors import Refused
from services.common.grpc_options import CLIENT_OPTIONS, SERVER_OPTIONS
from services.common.pipe import Pipe
from services.store import call_service
from services.store.call_service import CallService, methods_of
from tests.store.api import until

GET = "/buuta.v1.MailboxService/GetMailbox"


class Mailboxes:
    """Answers with the name it was asked for, and does by name what a test wants."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.tokens: list[tuple[str, str]] = []

    async def GetMailbox(self, request: Any, context: Any) -> Any:
        self.begun.append(request.name)
        metadata = dict(context.invocation_metadata())
        self.tokens.append((metadata.get("authorization", ""), metadata.get("buuta-session", "")))
        if request.name.startswith("wait"):
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.cancelled.append(request.name)
                raise
        elif request.name == "refuse":
            await context.abort(grpc.StatusCode.NOT_FOUND, "Not here", (("grpc-status-details-bin", b""),))
        elif request.name == "fail":
            raise RuntimeError("a defect with a secret")
        words = ["x" * 100_000] * 10 if request.name == "large" else []
        return mailbox_pb2.GetMailboxResponse(mailbox=mailbox_pb2.Mailbox(name=request.name, keywords=words))

    def __getattr__(self, name: str) -> Any:
        return None  # methods that no test calls


class Peer:
    """A server and a client's pipe to it."""

    def __init__(self, mailboxes: Mailboxes, calls: CallService, server: grpc.aio.Server, pipe: Pipe) -> None:
        self.mailboxes, self.calls, self.server, self.pipe = mailboxes, calls, server, pipe

    async def get(self, name: str, timeout: float = 5.0, token: str = "") -> str:
        request = mailbox_pb2.GetMailboxRequest(name=name).SerializeToString()
        octets = await self.pipe.call(GET, request, token, timeout)
        return str(mailbox_pb2.GetMailboxResponse.FromString(octets).mailbox.name)

    async def begun(self, *names: str) -> None:
        """Wait until these calls are at work."""
        await until(lambda: set(names) <= set(self.mailboxes.begun))


def admit(context: Any) -> None:
    if dict(context.invocation_metadata()).get("authorization") != "Bearer right":
        raise Refused("SERVICE_TOKEN", "Who are you?")


@contextlib.asynccontextmanager
async def piped(token: str = "right", pipes: bool = True) -> AsyncIterator[Peer]:
    mailboxes = Mailboxes()
    calls = CallService(methods_of([(mailbox_pb2.DESCRIPTOR, mailboxes)]), admit)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    if pipes:
        call_pb2_grpc.add_CallServiceServicer_to_server(calls, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=CLIENT_OPTIONS)
    pipe = Pipe(channel, (("authorization", f"Bearer {token}"),))
    try:
        yield Peer(mailboxes, calls, server, pipe)
    finally:
        await channel.close(None)
        await pipe.close()
        await server.stop(None)


def code_of(error: pytest.ExceptionInfo[grpc.aio.AioRpcError]) -> grpc.StatusCode:
    return error.value.code()


async def test_answers_come_in_any_order() -> None:
    async with piped() as peer:
        slow = asyncio.ensure_future(peer.get("wait"))
        await peer.begun("wait")
        assert await peer.get("quick") == "quick"
        assert not slow.done()
        peer.mailboxes.go.set()
        assert await slow == "wait"


async def test_many_at_once_each_get_their_own() -> None:
    async with piped() as peer:
        names = [f"name {number}" for number in range(500)]
        assert await asyncio.gather(*(peer.get(name) for name in names)) == names


async def test_each_call_has_its_own_session() -> None:
    async with piped() as peer:
        await asyncio.gather(peer.get("a", token="one"), peer.get("b", token="two"), peer.get("c"))
        assert sorted(peer.mailboxes.tokens) == [
            ("Bearer right", ""),
            ("Bearer right", "one"),
            ("Bearer right", "two"),
        ]


async def test_statuses() -> None:
    async with piped() as peer:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await peer.get("refuse")
        assert (code_of(refused), refused.value.details()) == (grpc.StatusCode.NOT_FOUND, "Not here")
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await peer.get("fail")
        assert code_of(failed) is grpc.StatusCode.UNKNOWN
        assert "secret" not in (failed.value.details() or "")
        assert await peer.get("works") == "works", "the stream goes on"


@pytest.mark.parametrize(
    ("method", "octets", "code"),
    [
        ("/buuta.v1.MailboxService/Nothing", b"", grpc.StatusCode.UNIMPLEMENTED),
        ("/buuta.v1.MessageService/FetchMessages", b"", grpc.StatusCode.UNIMPLEMENTED),
        ("", b"", grpc.StatusCode.UNIMPLEMENTED),
        (GET, b"\xff\xff\xff", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_bad_calls(method: str, octets: bytes, code: grpc.StatusCode) -> None:
    async with piped() as peer:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await peer.pipe.call(method, octets, "", 5)
        assert code_of(error) is code
        assert peer.pipe.available, "only a store without pipes is one"
        assert await peer.get("works") == "works"


def test_streaming_methods_are_not_on_pipes() -> None:
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return name

    found = methods_of([(message_pb2.DESCRIPTOR, Anything())])
    assert "/buuta.v1.MessageService/Append" in found
    assert "/buuta.v1.MessageService/FetchMessages" not in found
    assert "/buuta.v1.MessageService/Upload" not in found


async def test_large_replies() -> None:
    async with piped() as peer:
        assert await asyncio.gather(*(peer.get("large") for _ in range(20))) == ["large"] * 20


async def test_a_stranger_calls_nothing() -> None:
    async with piped(token="wrong") as peer:
        with pytest.raises(grpc.aio.AioRpcError):
            await peer.get("works")
        assert peer.mailboxes.begun == []


async def test_the_deadline_ends_the_call_on_both_sides() -> None:
    async with piped() as peer:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await peer.get("wait", timeout=0.2)
        assert code_of(error) is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: peer.mailboxes.cancelled == ["wait"])
        assert await peer.get("works") == "works"


async def test_a_caller_that_gives_up() -> None:
    async with piped() as peer:
        call = asyncio.ensure_future(peer.get("wait"))
        await peer.begun("wait")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        peer.mailboxes.go.set()
        assert await peer.get("works") == "works"


async def test_a_stream_that_breaks_fails_its_calls_at_once() -> None:
    async with piped() as peer:
        calls = [asyncio.ensure_future(peer.get(f"wait {n}", timeout=60)) for n in range(3)]
        await peer.begun("wait 0", "wait 1", "wait 2")
        await peer.server.stop(None)
        async with asyncio.timeout(10):
            ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(e, grpc.aio.AioRpcError) and e.code() for e in ended] == [
            grpc.StatusCode.UNAVAILABLE
        ] * 3
        assert len(peer.mailboxes.cancelled) == 3
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await peer.get("later")
        assert code_of(error) is grpc.StatusCode.UNAVAILABLE


async def test_a_store_that_drains_answers_and_is_called_no_more() -> None:
    async with piped() as peer:
        slow = asyncio.ensure_future(peer.get("wait"))
        await peer.begun("wait")
        peer.calls.drain()
        stopped = asyncio.ensure_future(peer.server.stop(30))
        async with asyncio.timeout(5):
            while True:  # the client learns of it within a moment
                with pytest.raises(grpc.aio.AioRpcError) as error:
                    await peer.get("wait more", timeout=0.2)
                if code_of(error) is grpc.StatusCode.UNAVAILABLE:
                    break
        peer.mailboxes.go.set()
        assert await slow == "wait"
        async with asyncio.timeout(5):
            await stopped  # the stream has ended by itself


async def test_calls_beyond_what_a_stream_may_have_at_work_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_service, "AT_WORK", 2)
    async with piped() as peer:
        calls = [asyncio.ensure_future(peer.get(f"wait {n}")) for n in range(5)]
        await peer.begun("wait 0", "wait 1")
        await asyncio.sleep(0.2)
        assert len(peer.mailboxes.begun) == 2
        peer.mailboxes.go.set()
        assert await asyncio.gather(*calls) == [f"wait {n}" for n in range(5)]


async def test_a_store_without_pipes_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "ASK_AGAIN", 0.1)
    async with piped(pipes=False) as peer:
        assert peer.pipe.available
        async with asyncio.timeout(10):
            while peer.pipe.available:  # more than once where it is found first that nothing can be written
                with pytest.raises(grpc.aio.AioRpcError) as error:
                    await peer.get("works")
        assert code_of(error) is grpc.StatusCode.UNIMPLEMENTED
        await asyncio.sleep(0.2)
        assert peer.pipe.available


async def test_closing_ends_what_waits() -> None:
    async with piped() as peer:
        call = asyncio.ensure_future(peer.get("wait", timeout=60))
        await peer.begun("wait")
        await peer.pipe.close()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call
        assert code_of(error) is grpc.StatusCode.UNAVAILABLE
