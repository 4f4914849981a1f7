"""Failures as gRPC status: one place for all servicers.

The status code is the contract; `google.rpc.ErrorInfo.reason` tells apart what
shares a code. A failure nobody foresaw is logged with its cause and told as
UNAVAILABLE: the caller repeats with the same request id.
"""

import functools
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
import structlog
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from services.common.errors import Fault, Refused, SyntaxFault
from services.common.retry import DETAILS

log = structlog.stdlib.get_logger()
DOMAIN = "buuta"

CODES = {
    grpc.StatusCode.NOT_FOUND: (
        "MAILBOX_NOT_FOUND",
        "ACCOUNT_NOT_FOUND",
        "DESTINATION_NOT_FOUND",
        "USER_UNKNOWN",
        "DOMAIN_UNKNOWN",
        "DOMAIN_NOT_FOUND",
        "MESSAGE_GONE",
    ),
    grpc.StatusCode.ALREADY_EXISTS: ("MAILBOX_EXISTS", "ACCOUNT_EXISTS", "DOMAIN_EXISTS", "ADDRESS_EXISTS"),
    grpc.StatusCode.INVALID_ARGUMENT: (
        "INVALID_ARGUMENT",
        "MAILBOX_NAME",
        "UPLOAD_HANDLE",
        "REQUEST_ID",
        "ADDRESS",
    ),
    grpc.StatusCode.FAILED_PRECONDITION: (
        "MAILBOX_HAS_CHILDREN",
        "INBOX_REQUIRED",
        "MAILDROP_LOCKED",
        "MAILDROP_LOCK_LOST",
        "DOMAIN_NOT_EMPTY",
        "PRIMARY_ADDRESS",
    ),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        "LIMIT",
        "STORAGE_FULL",
        "MESSAGE_TOO_LARGE",
        "LOGIN_THROTTLED",
        "SLOW_CONSUMER",
    ),
    grpc.StatusCode.UNAUTHENTICATED: ("SESSION_ENDED", "WRONG_CREDENTIALS", "SERVICE_TOKEN"),
    grpc.StatusCode.PERMISSION_DENIED: ("PERMISSION_DENIED",),
    grpc.StatusCode.OUT_OF_RANGE: ("RESYNC_REQUIRED",),
}
CODE_OF = {reason: code for code, reasons in CODES.items() for reason in reasons}

Method = TypeVar("Method", bound=Callable[..., Any])


def status_of(failure: Exception) -> tuple[grpc.StatusCode, str, str]:
    """(code, reason, public text) of a failure."""
    match failure:
        case Refused():
            return CODE_OF[failure.reason], failure.reason, failure.text
        case SyntaxFault():
            return grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", failure.text
        case Fault():
            return grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", failure.text
        case _:
            return grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", "Internal failure"


async def abort(context: Any, failure: Exception) -> None:
    """End the call with the failure's status."""
    code, reason, text = status_of(failure)
    if not isinstance(failure, Fault):
        log.error("call failed", exc_info=failure)
    elif code is grpc.StatusCode.UNAVAILABLE and failure.__cause__ is not None:
        log.warning("call unavailable", cause=repr(failure.__cause__)[:200])
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN))
    status = status_pb2.Status(code=code.value[0], message=text, details=[detail])
    await context.abort(code, text, ((DETAILS, status.SerializeToString()),))


def rpc(method: Method) -> Method:
    """Wraps a servicer's method, unary or streaming: failures become status."""
    if inspect.isasyncgenfunction(method):

        @functools.wraps(method)
        async def stream(self: Any, request: Any, context: Any) -> AsyncIterator[Any]:
            try:
                async with aclosing(method(self, request, context)) as responses:
                    async for response in responses:
                        yield response
            except Exception as failure:
                await abort(context, failure)

        return stream  # type: ignore[return-value]  # same shape as the method

    @functools.wraps(method)
    async def unary(self: Any, request: Any, context: Any) -> Any:
        try:
            return await method(self, request, context)
        except Exception as failure:
            return await abort(context, failure)

    return unary  # type: ignore[return-value]  # same shape as the method
