"""What a call of the API may end with, as exceptions.

gRPC's status codes are the contract; `reason` is the word of
`google.rpc.ErrorInfo` where one code means two things (the comments in
`proto/buuta/v1` list them). `Unavailable` alone is worth another try, with the
same request id.
"""

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DETAILS = "grpc-status-details-bin"


class ApiError(Exception):
    """Any failure of a call. `str()` is a short text for people."""

    def __init__(self, code: grpc.StatusCode, reason: str, text: str) -> None:
        super().__init__(text)
        self.code, self.reason, self.text = code, reason, text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code.name}, {self.reason!r}, {self.text!r})"


class InvalidArgument(ApiError):
    """The request is malformed, or a request id was used for another one before."""


class NotFound(ApiError):
    """There is no such domain, account, mailbox, recipient."""


class AlreadyExists(ApiError):
    """The name is taken."""


class FailedPrecondition(ApiError):
    """Not in this state: see `reason`."""


class PermissionDenied(ApiError):
    """The token does not allow this."""


class Unauthenticated(ApiError):
    """No token, a wrong one, or wrong credentials: see `reason`."""


class ResourceExhausted(ApiError):
    """A limit is reached: see `reason`."""


class OutOfRange(ApiError):
    """RESYNC_REQUIRED: the watch token is older than what the store keeps."""


class Unavailable(ApiError):
    """Not now; nothing or all was done. The same request id makes another try safe."""


_BY_CODE: dict[grpc.StatusCode, type[ApiError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRange,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
}


def reason_of(call: grpc.Call) -> str:
    """ErrorInfo.reason of a failed call; empty where there is none."""
    for key, value in call.trailing_metadata() or ():
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


def api_error(call: grpc.Call) -> ApiError:
    """The exception for a call that ended with another status than OK."""
    code = call.code()
    text = call.details() or code.name.replace("_", " ").lower()
    return _BY_CODE.get(code, ApiError)(code, reason_of(call), text)
