"""What scripts and servers answer, as exceptions.

A script refuses with a word (`redis.error_reply('WORD text')`): `ScriptError`.
Everything else that goes wrong with Redis is `Unavailable`: the outcome is
unknown, and the caller repeats with the same request id.
"""

from services.common.errors import Fault, Refused, Unavailable

# The words of our scripts. Every other error of a server, whatever it says, is no refusal.
WORDS = frozenset(
    (
        "INCARNATION",
        "GENERATION",
        "REQUEST_ID",
        "ACCOUNT_NOT_FOUND",
        "ACCOUNT_EXISTS",
        "SESSION_ENDED",
        "ADDRESS_EXISTS",
        "DOMAIN_EXISTS",
        "DOMAIN_NOT_FOUND",
        "MAILBOX_NOT_FOUND",
        "MAILBOX_EXISTS",
        "MAILBOX_NAME",
        "MAILBOX_HAS_CHILDREN",
        "INBOX_REQUIRED",
        "DESTINATION_NOT_FOUND",
        "MAILDROP_LOCKED",
        "MAILDROP_LOCK_LOST",
        "OPERATION_ENDED",
        "LIMIT",
    )
)


class ScriptError(Exception):
    """A script refused before it wrote anything."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(f"{word} {text}")
        self.word, self.text = word, text


def fault(error: ScriptError) -> Fault:
    """What the caller of the API is told of a refusal."""
    if error.word == "GENERATION":
        return Unavailable("The index is not complete")
    if error.word == "OPERATION_ENDED":
        return Unavailable("The command was undone")
    return Refused(error.word, error.text[:1].upper() + error.text[1:])
