"""SMTP replies as octets (RFC 5321 §4.2), with enhanced status codes (RFC 2034, RFC 3463)."""

MAX_TEXT = 510  # RFC 5321 §4.5.3.1.5: 512 octets a reply line, CRLF included


def reply(code: int, enhanced: str, text: str) -> bytes:
    """One line; `enhanced` is "" only in greetings, EHLO and 354 (RFC 2034 §4)."""
    words = f"{code} {enhanced} {text}" if enhanced else f"{code} {text}"
    return words.encode("ascii", "replace")[:MAX_TEXT] + b"\r\n"


def lines(code: int, texts: list[str]) -> bytes:
    """Several lines of one reply."""
    marks = ["-"] * (len(texts) - 1) + [" "]
    return b"".join(
        f"{code}{mark}{text}".encode("ascii") + b"\r\n" for mark, text in zip(marks, texts, strict=True)
    )
