"""Every RPC of the API against every role: who may not is refused, whatever the request says.

By itself and on a pipe: what a call may do does not depend on how it comes.
"""

from typing import Any

import grpc.aio
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from buuta.v1 import call_pb2
from buuta.v1.account_pb2 import ListDomainsRequest
from services.common.ids import new_request_id
from services.common.pipe import Pipe
from services.store.server import FILES
from tests.store.api import TIMEOUT, Api, Store, refused, rid

ROLES = ("mx", "submission", "pop3", "imap", "admin")
ATTRIBUTES = {
    "AccountService": "accounts",
    "AuthService": "auth",
    "MailboxService": "mailboxes",
    "MessageService": "messages",
    "MaildropService": "maildrops",
    "DeliveryService": "delivery",
    "ChangeService": "changes",
}
MAY = {
    "AccountService": {"admin"},
    "AuthService": {"submission", "pop3", "imap", "admin"},
    "MailboxService": {"imap", "admin"},
    "MessageService": {"imap", "admin"},
    "MessageService.Upload": {"mx", "submission", "imap", "admin"},
    "MessageService.FetchBodies": {"pop3", "imap", "admin"},
    "MaildropService": {"pop3", "admin"},
    "DeliveryService": {"mx", "submission", "admin"},
    "ChangeService": {"imap", "admin"},
}
METHODS = [
    method
    for file in FILES
    if file is not call_pb2  # it carries the others
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


def who_may(method: Any) -> set[str]:
    service = method.containing_service.name
    return MAY.get(f"{service}.{method.name}", MAY[service])


def request_for(method: Any, account: str) -> Message:
    request = GetMessageClass(method.input_type)()
    if "request_id" in method.input_type.fields_by_name:
        request.request_id = new_request_id()  # type: ignore[attr-defined]
    if "account" in method.input_type.fields_by_name:
        request.account = account  # type: ignore[attr-defined]
    return request


@pytest.fixture(autouse=True, params=["by itself", "on a pipe"])
def piped(request: pytest.FixtureRequest) -> bool:
    return str(request.param) == "on a pipe"


async def call(api: Api, method: Any, request: Message, piped: bool) -> str:
    """How the call ends: a status code's name. A stream is read up to its first response."""
    if piped and not (method.client_streaming or method.server_streaming):
        return await call_on_pipe(api, method, request)
    rpc = getattr(getattr(api, ATTRIBUTES[method.containing_service.name]), method.name)
    try:
        answer = rpc(iter([request])) if method.client_streaming else rpc(request)
        if method.server_streaming:
            await anext(aiter(answer), None)
            answer.cancel()
        else:
            await answer
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def call_on_pipe(api: Api, method: Any, request: Message) -> str:
    """Repeated while the stream just broke, as the store client does.

    A refused stream ends for both sides: when gRPC finds first that it cannot write, it does
    not tell the status any more.
    """
    path, found = f"/{method.containing_service.full_name}/{method.name}", ""
    for _ in range(20):
        pipe = Pipe(api.channel, [pair for pair in api.tokens if pair[0] == "authorization"])
        try:
            await pipe.call(path, request.SerializeToString(), api.session, TIMEOUT)
            return "OK"
        except grpc.aio.AioRpcError as error:
            found = error.code().name
        finally:
            await pipe.close()
        if found != "UNAVAILABLE":
            break
    return found


async def test_roles_are_limited_to_their_calls(store: Store, piped: bool) -> None:
    session = await store.login("alice")
    for method in METHODS:
        for role in sorted(set(ROLES) - who_may(method)):
            api = store.api(role, session.session, session.account)
            found = await call(api, method, request_for(method, session.account), piped)
            assert found == "PERMISSION_DENIED", (role, method.full_name)


async def test_those_who_may_come_further(store: Store, piped: bool) -> None:
    """The table above says too little nowhere: nobody of it is refused for his role."""
    session = await store.login("alice")
    for method in METHODS:
        for role in sorted(who_may(method) - {"admin"}):
            api = store.api(role, session.session, session.account)
            found = await call(api, method, request_for(method, session.account), piped)
            assert found != "PERMISSION_DENIED", (role, method.full_name)


async def test_without_a_service_token_nothing_is_answered(store: Store, piped: bool) -> None:
    role_of_another_platform = "imap:" + "0" * 64
    for token in ("", role_of_another_platform, "imap", "root:" + "0" * 64):
        api = store.stranger(token)
        for method in METHODS:
            found = await call(api, method, request_for(method, ""), piped)
            assert found == "UNAUTHENTICATED", (token, method.full_name)


async def test_another_account_is_out_of_reach(store: Store, piped: bool) -> None:
    alice, bob = await store.login("alice"), await store.login("bob")
    for method in METHODS:
        if "account" not in method.input_type.fields_by_name:
            continue
        for role in sorted(who_may(method) & {"pop3", "imap"}):
            api = store.api(role, alice.session)
            found = await call(api, method, request_for(method, bob.account), piped)
            assert found == "PERMISSION_DENIED", (role, method.full_name)


async def test_front_ends_need_a_session(store: Store, piped: bool) -> None:
    account = (await store.login("alice")).account
    for method in METHODS:
        if method.containing_service.name in ("AccountService", "AuthService") or method.name == "WatchHints":
            continue
        for role in sorted(who_may(method) & {"pop3", "imap", "submission"}):
            found = await call(store.api(role), method, request_for(method, account), piped)
            assert found == "UNAUTHENTICATED", (role, method.full_name)


@pytest.mark.parametrize("account", ["", "x", "0" * 16, "u" * 16, "../../../../etc/", "zzz" + "0" * 13])
async def test_what_is_no_account(store: Store, piped: bool, account: str) -> None:
    """An administrator who names one that is not there gets an answer, never a failure."""
    admin = store.api("admin")
    for method in METHODS:
        whole_platform = method.name == "Watch" and not account
        if method.containing_service.name == "AuthService" or method.client_streaming or whole_platform:
            continue
        if "account" in method.input_type.fields_by_name:
            found = await call(admin, method, request_for(method, account), piped)
            assert found in ("NOT_FOUND", "INVALID_ARGUMENT", "FAILED_PRECONDITION"), method.full_name


async def test_an_administrator_in_a_users_name_is_that_user(store: Store, piped: bool) -> None:
    alice, bob = await store.login("alice"), await store.login("bob")
    api = store.api("admin", alice.session)
    assert (await Api.mailbox(api_for(api, alice.account))).name == "INBOX"
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await Api.mailbox(api_for(api, bob.account))
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.accounts.ListDomains(ListDomainsRequest())


def api_for(api: Api, account: str) -> Api:
    api.account = account
    return api


MUTATIONS = [method for method in METHODS if "request_id" in method.input_type.fields_by_name]
CONDITIONAL = {"SyncMailbox", "FetchBodies"}  # mutations when a field asks for it


@pytest.mark.parametrize("request_id", [b"", b"short", bytes(16), rid() + b"x"])
async def test_a_mutation_needs_a_fresh_request_id(store: Store, piped: bool, request_id: bytes) -> None:
    alice, admin = await store.login("alice"), store.api("admin")
    for method in MUTATIONS:
        if method.name in CONDITIONAL:
            continue
        request = request_for(method, alice.account)
        request.request_id = request_id  # type: ignore[attr-defined]
        assert await call(admin, method, request, piped) == "INVALID_ARGUMENT", method.full_name
