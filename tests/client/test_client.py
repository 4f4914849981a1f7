"""The client for programs against the real store."""

import asyncio
import socket
import threading

import pytest

import buuta
import buuta.client
from buuta.client import new_request_id
from buuta.errors import InvalidArgument, NotFound, Unavailable
from buuta.v1.account_pb2 import (
    BatchCreateAccountsRequest,
    CreateAccountRequest,
    GetAccountRequest,
    Password,
)
from buuta.v1.change_pb2 import WatchRequest
from tests.support.store import RunningStore

Entry = BatchCreateAccountsRequest.Entry
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$kzqgRZDmNo1kVEmJ1ZF5cLSZxIJPIWOtPCYkEOr8ZCE"


def client(store: RunningStore) -> buuta.Client:
    return buuta.Client(store.endpoint, store.token("admin"))


async def test_a_request_id_used_for_another_address_does_not_give_it_away(store: RunningStore) -> None:
    identity, password = new_request_id(), Password(clear="secret")

    def work() -> None:
        with client(store) as platform:
            first = CreateAccountRequest(request_id=identity, address="u1@example.test", password=password)
            account = platform.accounts.CreateAccount(first).account
            assert platform.accounts.CreateAccount(first).account == account
            other = CreateAccountRequest(request_id=identity, address="u2@example.test", password=password)
            with pytest.raises(InvalidArgument) as refused:
                platform.accounts.CreateAccount(other)
            assert refused.value.reason == "REQUEST_ID"
            with pytest.raises((NotFound, Unavailable)):  # not settled; nobody has it
                platform.accounts.GetAccount(GetAccountRequest(address="u2@example.test"))

    await asyncio.to_thread(work)


async def test_a_watch_that_is_given_up_is_no_failure(
    store: RunningStore, capfd: pytest.CaptureFixture[str]
) -> None:
    """The store is in the middle of writing many events when the consumer goes."""
    entries = [Entry(address=f"u{n}@example.test", password=Password(hash=HASH)) for n in range(250)]

    def watch() -> None:
        with client(store) as platform:
            start = next(platform.changes.Watch(WatchRequest())).token
            platform.accounts.BatchCreateAccounts(BatchCreateAccountsRequest(entries=entries))
            for _ in range(10):
                responses = platform.changes.Watch(WatchRequest(token=start))
                while not next(responses).events:
                    pass
                responses.cancel()

    await asyncio.to_thread(watch)
    said = capfd.readouterr()
    assert "call failed" not in said.out + said.err


def test_a_stream_over_a_dead_network_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that takes the call and then is silent, as behind a cable that was pulled."""
    monkeypatch.setattr(buuta.client, "KEEPALIVE_MS", 500)
    monkeypatch.setattr(buuta.client, "KEEPALIVE_TIMEOUT_MS", 500)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connections: list[socket.socket] = []

        def take() -> None:
            connection, _ = silent.accept()
            connection.sendall(b"\0\0\0\4\0\0\0\0\0")  # SETTINGS, as HTTP/2 begins, and no word more
            connections.append(connection)

        thread = threading.Thread(target=take)
        thread.start()
        with buuta.Client(f"127.0.0.1:{silent.getsockname()[1]}", "token") as platform:
            call = platform.changes.Watch(WatchRequest())
            alarm = threading.Timer(30, call.cancel)
            alarm.start()
            with pytest.raises(Unavailable):  # and not CANCELLED
                next(call)
            alarm.cancel()
        thread.join()
        for connection in connections:
            connection.close()
