"""Which response code a failure gets (RFC 2449 §8, RFC 3206): clients decide by it, not by the text."""

from services.common.errors import Fault, Refused, Unavailable
from services.pop3.protocol.replies import AUTH, IN_USE, SYS_PERM, SYS_TEMP

# The reasons of the API (`proto/`) and of our own handlers. Reasons without a code are
# about one command's argument, such as a message that is not there.
CODES = {
    "WRONG_CREDENTIALS": AUTH,
    "FORBIDDEN": AUTH,
    "PERMISSION_DENIED": AUTH,
    "SESSION_ENDED": AUTH,
    "UNAUTHENTICATED": AUTH,
    "ACCOUNT_NOT_FOUND": AUTH,
    # [AUTH] would have clients ask their user for another password.
    "LOGIN_THROTTLED": SYS_TEMP,
    "MAILDROP_LOCKED": IN_USE,
    "MAILDROP_LOCK_LOST": SYS_TEMP,
    "NO_SUCH_MESSAGE": "",
    "MESSAGE_DELETED": "",
    "MESSAGE_GONE": SYS_PERM,
    "TLS_REQUIRED": "",
    "MECHANISM_UNKNOWN": "",
}


def code_of(fault: Fault) -> str:
    """Temporary unless proven permanent."""
    if isinstance(fault, Unavailable):
        return SYS_TEMP
    if isinstance(fault, Refused):
        return CODES.get(fault.reason, SYS_TEMP)
    return ""
