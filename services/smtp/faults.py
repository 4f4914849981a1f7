"""Which reply a failure gets: code, enhanced code and whether it is permanent (RFC 5321 §4.2, RFC 3463)."""

from services.common.errors import Fault, Refused, SyntaxFault, Unavailable
from services.smtp.protocol.commands import UnknownCommand
from services.smtp.protocol.replies import reply

# The reasons of the API (`proto/`) and of our own handlers.
REPLIES = {
    "SEQUENCE": (503, "5.5.1"),
    "PARAMETER": (555, "5.5.4"),
    "SMTPUTF8": (553, "5.6.7"),
    "ADDRESS": (553, "5.1.3"),
    "USER_UNKNOWN": (550, "5.1.1"),
    "DOMAIN_UNKNOWN": (550, "5.7.1"),
    "RELAY_LATER": (450, "4.4.0"),
    "ACCOUNT_NOT_FOUND": (550, "5.1.1"),
    "AUTH_REQUIRED": (530, "5.7.0"),
    "AUTH_NOT_OFFERED": (502, "5.5.1"),
    "ALREADY_AUTHENTICATED": (503, "5.5.1"),
    "TLS_REQUIRED": (538, "5.7.11"),
    "TLS_ACTIVE": (503, "5.5.1"),
    "TLS_UNAVAILABLE": (454, "4.7.0"),
    "MECHANISM_UNKNOWN": (504, "5.5.4"),
    "WRONG_CREDENTIALS": (535, "5.7.8"),
    "IDENTITY_DENIED": (535, "5.7.8"),
    # 535 is for AUTH alone (RFC 4954 §6). The password has changed: a message waits until it is known.
    "SESSION_ENDED": (451, "4.7.0"),
    "LOGIN_THROTTLED": (454, "4.7.0"),
    "SENDER_NOT_OWNED": (553, "5.7.1"),
    "TOO_MANY_RECIPIENTS": (452, "4.5.3"),
    "MESSAGE_TOO_LARGE": (552, "5.3.4"),
    "BARE_LINE_END": (550, "5.6.0"),
    "LOOP": (554, "5.4.6"),
    "STORAGE_FULL": (452, "4.3.1"),
}
UNAVAILABLE = (451, "4.3.0")
LOGIN_UNAVAILABLE = (454, "4.7.0")  # RFC 4954 §6


class LoginUnavailable(Unavailable):
    """Whether the credentials are right cannot be told now."""


def reply_to(fault: Fault) -> bytes:
    """The reply of a failure; temporary unless proven permanent."""
    if isinstance(fault, UnknownCommand):
        return reply(500, "5.5.2", fault.text)
    if isinstance(fault, SyntaxFault):
        code = (500, "5.5.2") if fault.text.startswith(("Line", "Bare")) else (501, "5.5.4")
        return reply(*code, fault.text)
    if isinstance(fault, Refused):
        return reply(*REPLIES.get(fault.reason, UNAVAILABLE), fault.text)
    if isinstance(fault, LoginUnavailable):
        return reply(*LOGIN_UNAVAILABLE, fault.text)
    return reply(*UNAVAILABLE, fault.text)
