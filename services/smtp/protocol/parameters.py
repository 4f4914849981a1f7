"""ESMTP parameters of MAIL and RCPT (RFC 5321 §4.1.1.11).

esmtp-param = esmtp-keyword ["=" esmtp-value]
"""

import re

from services.common.errors import Refused, SyntaxFault

MAX_NAMED = 40  # octets of a keyword that a reply repeats
_PARAMETER = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?")


def parse_parameters(text: bytes) -> dict[bytes, bytes | None]:
    """keyword (upper case) → value; SyntaxFault for what is none or comes twice."""
    found: dict[bytes, bytes | None] = {}
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise SyntaxFault("Malformed parameter")
        keyword = match[1].upper()
        if keyword in found:
            raise SyntaxFault("Parameter given twice")
        found[keyword] = match[2]
    return found


def only(found: dict[bytes, bytes | None], known: frozenset[bytes]) -> None:
    """Refused(PARAMETER) when a parameter is not one of these (RFC 5321 §4.1.1.11: 555)."""
    for keyword in found:
        if keyword not in known:
            raise Refused("PARAMETER", f"Parameter {keyword[:MAX_NAMED].decode()} is not known")
