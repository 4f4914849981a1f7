"""POP3 replies as octets (RFC 1939 §3, RFC 2449 §8, RFC 3206)."""

# RFC 2449 §4: the first line of a response has at most 512 octets, CRLF included.
MAX_LINE = 512

END = b".\r\n"  # of a multi-line response

AUTH = "AUTH"  # RFC 3206 §4: the credentials are the problem
IN_USE = "IN-USE"  # RFC 2449 §8.1.2: another session holds the maildrop
SYS_TEMP = "SYS/TEMP"  # RFC 3206 §5: ours, and it will pass
SYS_PERM = "SYS/PERM"  # RFC 3206 §5: ours, and it needs a person


def _line(status: str, code: str, text: str) -> bytes:
    # schar of RFC 2449 §3: a text that is no response code must not look like one.
    text = text.replace("[", "(").replace("\r", " ").replace("\n", " ")
    words = " ".join(word for word in (status, f"[{code}]" if code else "", text) if word)
    return words.encode("ascii", "replace")[: MAX_LINE - 2] + b"\r\n"


def ok(text: str = "", code: str = "") -> bytes:
    """+OK, and what a person may read behind it."""
    return _line("+OK", code, text)


def err(text: str, code: str = "") -> bytes:
    """-ERR with the response code that clients decide by."""
    return _line("-ERR", code, text)


def challenge(data: bytes) -> bytes:
    """A SASL challenge, already in base64 (RFC 5034 §4); an empty one keeps its space."""
    return b"+ " + data + b"\r\n"
