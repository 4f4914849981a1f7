"""Header fields of messages as people read them. Anybody can send anything: nothing here raises.

Encoded words (RFC 2047) and UTF-8 (RFC 6532) are decoded; what cannot be decoded
stays as it came.
"""

import re
from email.errors import HeaderParseError
from email.header import decode_header
from email.parser import BytesHeaderParser

_HEADERS = BytesHeaderParser()  # the policy compat32: it looks into no field
_FOLD = re.compile(r"\r?\n(?=[ \t])")
# encoded-word = "=?" charset "?" encoding "?" encoded-text "?=" (RFC 2047 §2), with the spaces that some
# programs leave in encoded-text. The white space between two of them is not shown (§6.2).
_WORD = r"=\?[^?\s]+\?[BbQq]\?[^?]*\?="
_WORDS = re.compile(rf"{_WORD}(?:\s+{_WORD})*", re.ASCII)


def header_texts(header: bytes) -> dict[str, str]:
    """The text of each field by its name in lower case; of a field that comes twice, the first."""
    texts: dict[str, str] = {}
    for name, value in _HEADERS.parsebytes(header).raw_items():
        texts.setdefault(name.lower(), field_text(str(value).encode("ascii", "surrogateescape")))
    return texts


def field_text(value: bytes) -> str:
    """The text of one field."""
    text = _FOLD.sub("", value.decode("utf-8", "replace"))
    return _WORDS.sub(lambda match: _words_text(match[0]), text)


def _words_text(words: str) -> str:
    """Encoded words that stand side by side: characters may be cut between them."""
    try:
        return "".join(
            part if isinstance(part, str) else part.decode((charset or "ascii").partition("*")[0], "replace")
            for part, charset in decode_header(words)
        )
    except (HeaderParseError, LookupError, ValueError):  # of the coding, of a charset, of its octets
        return words
