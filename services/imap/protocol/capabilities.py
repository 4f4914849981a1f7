"""What we say we can (RFC 3501 §7.2.1): only what works, and only where it works."""

from functools import cache

ALWAYS = b"IMAP4rev1 LITERAL+ SASL-IR ID ENABLE"
AUTHENTICATED = (
    b"IDLE UIDPLUS MOVE NAMESPACE CONDSTORE SPECIAL-USE CREATE-SPECIAL-USE CHILDREN UNSELECT"  # extensions
)


@cache
def capabilities(authenticated: bool, starttls: bool, login_allowed: bool) -> bytes:
    """For CAPABILITY responses and codes.

    Some clients ask only once, before login: what they will be able to do is listed from the start.
    """
    words = [ALWAYS, AUTHENTICATED]
    if not authenticated:
        if starttls:
            words.append(b"STARTTLS")
        words.append(b"AUTH=PLAIN AUTH=LOGIN" if login_allowed else b"LOGINDISABLED")
    return b" ".join(words)
