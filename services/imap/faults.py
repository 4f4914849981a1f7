"""Which response code a failure gets (RFC 5530): clients decide by it, not by the text."""

from services.common.errors import Fault, Refused, Unavailable

# The reasons of the API (`proto/`) and of our own handlers. Without an entry there is no code.
CODES = {
    "WRONG_CREDENTIALS": b"AUTHENTICATIONFAILED",
    "PERMISSION_DENIED": b"AUTHORIZATIONFAILED",
    "TLS_REQUIRED": b"PRIVACYREQUIRED",
    "MAILBOX_NOT_FOUND": b"NONEXISTENT",
    "DESTINATION_NOT_FOUND": b"TRYCREATE",  # RFC 3501 §6.3.11, §6.4.7
    "MAILBOX_EXISTS": b"ALREADYEXISTS",
    "MAILBOX_NAME": b"CANNOT",
    "INBOX_REQUIRED": b"CANNOT",
    "MAILBOX_HAS_CHILDREN": b"CANNOT",
    "NOT_SELECTABLE": b"CANNOT",
    "USE_ATTRIBUTE": b"USEATTR",  # RFC 6154 §6
    "READ_ONLY": b"NOPERM",
    "EXPUNGED": b"EXPUNGEISSUED",
    "BADCHARSET": b"BADCHARSET (US-ASCII UTF-8)",  # RFC 3501 §7.1
    "LIMIT": b"LIMIT",
    "STORAGE_FULL": b"OVERQUOTA",
    "MESSAGE_TOO_LARGE": b"TOOBIG",  # RFC 4469 §4.2
    "UNKNOWN_CTE": b"UNKNOWN-CTE",
    "LOGIN_THROTTLED": b"UNAVAILABLE",  # no reason for the user to type another password
}
# After these nothing more can be done on this connection.
ENDING = {"SESSION_ENDED", "UNAUTHENTICATED", "ACCOUNT_NOT_FOUND"}


def code_of(fault: Fault) -> bytes:
    if isinstance(fault, Unavailable):
        return b"UNAVAILABLE"
    if isinstance(fault, Refused):
        return CODES.get(fault.reason, b"")
    return b""
