"""Keywords that are new in the selected mailbox: the client hears of the list before a message has one."""

import numpy as np

from services.imap.columns import Numbers
from services.imap.protocol.flags import FIRST_KEYWORD, SYSTEM_NAMES
from services.imap.session import ImapSession

MAX_KEYWORDS = 64 - FIRST_KEYWORD  # as many as `flags` has bits for


async def know_keywords(session: ImapSession, flags: Numbers) -> bool:
    """Learn and tell the mailbox's list if these flags have keywords that it lacks; True when they had."""
    view = session.opened.view
    highest = int(np.bitwise_or.reduce(flags)).bit_length() if len(flags) else 0
    if highest <= FIRST_KEYWORD + len(view.keywords):
        return False
    await session.sync()
    tell_keywords(session)
    return True


def tell_keywords(session: ImapSession) -> None:
    """FLAGS and PERMANENTFLAGS (RFC 3501 §7.2.6, §7.1), if the client does not know the list."""
    selected = session.opened
    view = selected.view
    if not view.keywords_changed:
        return
    view.keywords_changed = False
    session.send(view.flags_line())
    if not selected.read_only:
        kept = b" ".join((SYSTEM_NAMES, *view.keywords))
        more = b" \\*" if len(view.keywords) < MAX_KEYWORDS else b""
        session.untagged(b"OK [PERMANENTFLAGS (%b%b)] Flags that can be kept" % (kept, more))
