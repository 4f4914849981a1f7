"""Body ids: 16 octets that a repeated request makes again, so that a repeat meets its own object.

The first four bits name the kind of the object (0: one plain message). Then
follow the request's time, as in ULIDs, and a digest of the request's id and of
what it stores: the same id with other octets names another object, so that
nothing that is stored is ever written over.
"""

import hashlib

PLAIN = 0


def body_id(request_id: bytes, content: bytes = b"", place: int = 0) -> bytes:
    """The id of the n-th body of a request (16 octets of ULID layout); `content` tells its octets apart.

    A ULID's first four bits are zero until the year 6429, so that time stays readable.
    """
    head = bytes((request_id[0] & 0x0F | PLAIN << 4,)) + request_id[1:6]
    return head + hashlib.sha256(request_id + place.to_bytes(4, "big") + content).digest()[:10]


def object_name(body: bytes) -> str:
    """Prefixed by random octets for fan-out, then ordered by time."""
    return f"{body[-1]:02x}/{body.hex()}"


def body_of_name(name: str) -> bytes | None:
    """The id of an object's name; None for what is no body."""
    folder, _, rest = name.rpartition("/")
    try:
        body = bytes.fromhex(rest)
    except ValueError:
        return None
    return body if len(body) == 16 and object_name(body) == f"{folder}/{rest}" else None
