"""A thin client of `buuta.v1` for programs: the generated stubs on a channel that does the chores.

    with buuta.Client("127.0.0.1:10051", token) as client:
        account = client.accounts.GetAccount(GetAccountRequest(address="u1@example.test")).account

Every call carries the tokens, and a unary one a deadline. A stream lasts as long
as it has to; when the network is dead it ends with UNAVAILABLE after some
fifteen seconds. A mutation without `request_id` gets one; UNAVAILABLE is tried
again with the same id, but for streams; failures are raised as
`buuta.errors.ApiError`. Thread-safe, as gRPC channels are.
"""

import os
import random
import time
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from buuta.errors import ApiError, Unavailable, api_error
from buuta.v1.account_pb2_grpc import AccountServiceStub
from buuta.v1.auth_pb2_grpc import AuthServiceStub
from buuta.v1.change_pb2_grpc import ChangeServiceStub
from buuta.v1.delivery_pb2_grpc import DeliveryServiceStub
from buuta.v1.mailbox_pb2_grpc import MailboxServiceStub
from buuta.v1.maildrop_pb2_grpc import MaildropServiceStub
from buuta.v1.message_pb2 import UploadRequest, UploadResponse
from buuta.v1.message_pb2_grpc import MessageServiceStub

TIMEOUT = 30.0  # seconds a unary call may take in one try
RETRY_AFTER = (0.2, 1.0, 3.0)  # seconds before the second, third and fourth try
# While a call runs the store is asked so often whether it is still there, and has so long to answer.
KEEPALIVE_MS = 10_000
KEEPALIVE_TIMEOUT_MS = 5_000
CHUNK = 256 * 1024  # octets an UploadRequest may carry
# SyncMailbox answers a mailbox of a million messages with 28 MB of columns.
MAX_RESPONSE = 64 * 1024 * 1024

# Mutations only when asked for by this field.
_MUTATES_IF = {"SyncMailboxRequest": "claim_recent", "FetchBodiesRequest": "mark_seen"}


def new_request_id() -> bytes:
    """16 octets in ULID layout: 48 bits of Unix milliseconds, 80 random bits."""
    return (time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10)


def _with_request_id(request: Any) -> Any:
    """The request itself, or a copy with a request id where it needs one and has none."""
    fields = request.DESCRIPTOR.fields_by_name
    if "request_id" not in fields or request.request_id:
        return request
    condition = _MUTATES_IF.get(request.DESCRIPTOR.name)
    if condition is not None and not getattr(request, condition):
        return request
    copy = type(request)()
    copy.CopyFrom(request)
    copy.request_id = new_request_id()
    return copy


class _Details(
    namedtuple("_Details", ("method", "timeout", "metadata", "credentials", "wait_for_ready", "compression")),
    grpc.ClientCallDetails,
):
    """gRPC has the interface for this and no class."""


class _Responses(Iterator[Any]):
    """A server stream whose failures are ours; `cancel` and the rest of the call pass through."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as failure:
            raise api_error(failure) from None  # type: ignore[arg-type] # it is the call, too

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class _Chores(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[type-arg] # generic in the stubs only
    grpc.UnaryStreamClientInterceptor,  # type: ignore[type-arg]
    grpc.StreamUnaryClientInterceptor,  # type: ignore[type-arg]
    grpc.StreamStreamClientInterceptor,  # type: ignore[type-arg]
):
    """Tokens, deadlines of unary calls, request ids, retries, errors: what every call needs."""

    def __init__(self, metadata: list[tuple[str, str]], timeout: float) -> None:
        self._metadata, self._timeout = metadata, timeout

    def _details(self, details: Any, timeout: float | None) -> _Details:
        metadata = [*(details.metadata or ()), *self._metadata]
        rest = (details.credentials, details.wait_for_ready, details.compression)
        return _Details(details.method, details.timeout or timeout, metadata, *rest)

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        details, request = self._details(details, self._timeout), _with_request_id(request)
        for pause in (*RETRY_AFTER, None):
            call = continuation(details, request)
            if not isinstance(call.exception(), grpc.RpcError):
                return call
            error = api_error(call)
            if pause is None or not isinstance(error, Unavailable):
                raise error
            time.sleep(pause * random.uniform(0.5, 1.0))
        raise AssertionError("unreachable: the last try returns or raises")

    def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return _Responses(continuation(self._details(details, None), _with_request_id(request)))

    def intercept_stream_unary(self, continuation: Callable[..., Any], details: Any, requests: Any) -> Any:
        call = continuation(self._details(details, None), requests)
        if isinstance(call.exception(), grpc.RpcError):
            raise api_error(call)
        return call

    def intercept_stream_stream(self, continuation: Callable[..., Any], details: Any, requests: Any) -> Any:
        return _Responses(continuation(self._details(details, None), requests))


def open_channel(endpoint: str, ca_file: str | Path | None, name: str = "") -> grpc.Channel:
    """A channel to one endpoint; with TLS its certificate is for `name`, or for the endpoint's own."""
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", MAX_RESPONSE),
        ("grpc.enable_retries", 0),  # ours carry the request id
        ("grpc.enable_http_proxy", 0),  # $http_proxy is for the web
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),  # a minute if it is not said as well
        ("grpc.http2.max_pings_without_data", 0),  # a watch may have nothing to say for days
    ]
    if name:
        options.append(("grpc.default_authority", name))
    if ca_file is None:
        return grpc.insecure_channel(endpoint, options)
    credentials = grpc.ssl_channel_credentials(Path(ca_file).read_bytes())
    return grpc.secure_channel(endpoint, credentials, options)


class Client:
    """One connection to a store.

    `endpoint` is host:port; of a name with several addresses one that answers is
    used. `token` is a service token; its role limits what may be called.
    `session_token` (AuthService.Authenticate) names the user on whose behalf.
    With `ca_file` the store is reached over TLS and must prove itself.
    """

    def __init__(
        self,
        endpoint: str,
        token: str,
        *,
        session_token: str = "",
        ca_file: str | Path | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        metadata = [("authorization", f"Bearer {token}")]
        if session_token:
            metadata.append(("buuta-session", session_token))
        self._channel = open_channel(endpoint, ca_file)
        channel = grpc.intercept_channel(self._channel, _Chores(metadata, timeout))
        self.accounts = AccountServiceStub(channel)
        self.auth = AuthServiceStub(channel)
        self.mailboxes = MailboxServiceStub(channel)
        self.messages = MessageServiceStub(channel)
        self.maildrops = MaildropServiceStub(channel)
        self.delivery = DeliveryServiceStub(channel)
        self.changes = ChangeServiceStub(channel)

    def upload(self, pieces: Iterable[bytes], account: str = "") -> UploadResponse:
        """Make the octets of a message durable; the handle is good for Append and Deliver."""

        def requests() -> Iterator[UploadRequest]:
            yield UploadRequest(request_id=new_request_id(), account=account)
            for piece in pieces:
                for start in range(0, len(piece), CHUNK):
                    yield UploadRequest(data=piece[start : start + CHUNK])

        return self.messages.Upload(requests())

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["ApiError", "Client", "new_request_id"]
