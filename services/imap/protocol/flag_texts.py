"""Flags as text for many messages: each combination is rendered once for a command."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.imap.protocol import flags as flag_names

# Bit 15 of `flags` never leaves the store (columns.proto): here it says \Recent.
RECENT = 1 << 15


class FlagTexts(dict[int, bytes]):
    """Combination of bits → names, without parentheses."""

    def __init__(self, keywords: tuple[bytes, ...]) -> None:
        super().__init__()
        self._keywords = keywords

    def __missing__(self, bits: int) -> bytes:
        text = flag_names.render(bits & ~RECENT, self._keywords, bool(bits & RECENT))
        self[bits] = text
        return text

    def column(self, flags: NDArray[Any], recent: NDArray[np.bool_]) -> list[bytes]:
        """The text of each message."""
        bits = flags.astype(np.uint64)
        if recent.any():
            bits |= recent.astype(np.uint64) << np.uint64(15)
        return list(map(self.__getitem__, bits.tolist()))
