"""What a failed call of the store means, and when it is tried again.

Only these statuses are worth another try, always with the same request id. The
second try goes to another replica at once where there is one; later ones wait,
longer each time. All tries share the deadline of the call.
"""

import random
from collections.abc import Iterable, Iterator
from typing import cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from services.common.errors import Fault, Refused, Unavailable

# Seconds before the third and later tries, a little more or less: about four seconds in all.
PAUSES = (0.1, 0.3, 0.7, 1.2, 2.0)
# Where a call's google.rpc.Status travels.
DETAILS = "grpc-status-details-bin"
# A replica that failed is not the first choice for so long.
SHUN_DOWN = 1.0
SHUN_SLOW = 5.0

RETRYABLE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
# The request is at fault. Whatever else goes wrong is temporary: no peer may take
# a broken platform for a permanent refusal.
_REFUSALS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)


def pauses(replicas: int) -> Iterator[float]:
    """Seconds to wait before the second, third and later tries."""
    yield 0.0 if replicas > 1 else _jitter(0.05)
    for pause in PAUSES:
        yield _jitter(pause)


def fault_of(error: grpc.aio.AioRpcError) -> Fault:
    """The failure that a call's status stands for; its cause is for the log."""
    code, reason = error.code(), reason_of(error)
    refused = code in _REFUSALS or (
        code is grpc.StatusCode.UNAUTHENTICATED and reason not in ("", "SERVICE_TOKEN")  # those are our fault
    )
    fault = Refused(reason or code.name, error.details() or code.name) if refused else Unavailable()
    fault.__cause__ = error
    return fault


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """ErrorInfo.reason of a failed call; empty where there is none."""
    for key, value in cast(Iterable[tuple[str, bytes]], error.trailing_metadata() or ()):
        if key != DETAILS:
            continue
        info = error_details_pb2.ErrorInfo()
        try:
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info):
                    return str(info.reason)
        except DecodeError:
            break
    return ""


def rpc_error(code: grpc.StatusCode, text: str, details: bytes = b"") -> grpc.aio.AioRpcError:
    """What gRPC raises for a status, made here."""
    trailing = grpc.aio.Metadata((DETAILS, details)) if details else grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details=text, debug_error_string=None)


def _jitter(seconds: float) -> float:
    return seconds * random.uniform(0.7, 1.3)
