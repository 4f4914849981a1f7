"""The three kinds of failure that cross our interfaces.

Whatever goes wrong while a command is performed ends as one of these, and one
place per protocol turns them into replies. `text` is for the peer: short, in
plain words, without internals. The cause stays in the log.
"""


class Fault(Exception):
    """Base of the failures that have a reply of their own."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class SyntaxFault(Fault):
    """The peer broke the protocol: BAD, 500/501, -ERR."""


class Refused(Fault):
    """The request is understood and cannot be done, however often it is repeated: NO, 5xx, -ERR.

    `reason` is the machine-readable word of the API (`ErrorInfo.reason`), such as
    MAILBOX_NOT_FOUND; the comments in `proto/` list them.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Unavailable(Fault):
    """Not now: NO [UNAVAILABLE], 4xx, -ERR [SYS/TEMP]. Nothing was lost; the peer tries again."""

    def __init__(self, text: str = "Service temporarily unavailable") -> None:
        super().__init__(text)
