"""The scanner: octets in, at once or in chunks as they come, and everything FETCH and SEARCH ask for out.

A message that is there whole at the end, as most are, goes to the compiled `scan_whole`
where that was built (setup.py). What it leaves, and what comes piece by piece, goes to
`Walk`, which is the reference: both find the same, and neither raises.
"""

from services.common.mime.scan import Scan
from services.common.mime.walk import Walk

try:
    from services.common.mime.whole import scan_whole

    COMPILED = True
except ImportError:  # there was no C compiler: the same, but slower
    COMPILED = False

    def scan_whole(octets: bytes) -> Scan | None:
        return None


# Fewer octets wait: all that a request may have inline (services/store/incoming.py).
_STEP = 64 * 1024 + 1


def scan_message(octets: bytes) -> Scan:
    """What there is to know of a message that is there whole."""
    found = scan_whole(octets)
    return found if found is not None else Walk().finish(octets)


class Scanner:
    """`feed` chunks, then `finish`."""

    __slots__ = ("_step", "_waiting", "_waiting_size", "_walk")

    def __init__(self, step: int = _STEP) -> None:
        self._step = step
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._walk: Walk | None = None  # once octets had to be looked at

    def feed(self, chunk: bytes) -> None:
        self._waiting.append(chunk)
        self._waiting_size += len(chunk)
        if self._waiting_size >= self._step:
            self._go_on()

    def finish(self) -> Scan:
        octets = b"".join(self._waiting)
        return scan_message(octets) if self._walk is None else self._walk.finish(octets)

    def _go_on(self) -> None:
        if self._walk is None:
            self._walk = Walk()
        # A long header is looked at again only when it has doubled.
        if self._waiting_size >= self._walk.unfinished:
            self._walk.feed(b"".join(self._waiting))
            self._waiting, self._waiting_size = [], 0
