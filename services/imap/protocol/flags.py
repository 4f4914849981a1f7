"""Flags: names on the wire, bits in the columns of the API (`columns.proto`).

System flags are bits 0 to 4; keyword n of a mailbox's list is bit 16 + n.
\\Recent is neither: it belongs to a session (RFC 3501 §2.3.2).
"""

import functools
from collections.abc import Sequence

from services.common.errors import SyntaxFault

SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = 1, 2, 4, 8, 16
SYSTEM = {
    b"\\Seen": SEEN,
    b"\\Answered": ANSWERED,
    b"\\Flagged": FLAGGED,
    b"\\Deleted": DELETED,
    b"\\Draft": DRAFT,
}
SYSTEM_NAMES = b" ".join(SYSTEM)
FIRST_KEYWORD = 16


def split(flags: Sequence[bytes]) -> tuple[int, list[str]]:
    """System bits and keywords of a client's list of flags."""
    bits, keywords = 0, []
    for flag in flags:
        if not flag.startswith(b"\\"):
            keywords.append(flag.decode("ascii"))
        elif flag in SYSTEM:
            bits |= SYSTEM[flag]
        else:
            raise SyntaxFault(f"No client can set the flag {flag.decode('ascii')}")
    return bits, list(dict.fromkeys(keywords))


@functools.lru_cache(maxsize=4096)
def render(bits: int, keywords: tuple[bytes, ...], recent: bool = False) -> bytes:
    """Names of flags, separated by spaces, without parentheses."""
    names = [name for name, bit in SYSTEM.items() if bits & bit]
    names += [name for n, name in enumerate(keywords, FIRST_KEYWORD) if bits >> n & 1]
    if recent:
        names.append(b"\\Recent")
    return b" ".join(names)
