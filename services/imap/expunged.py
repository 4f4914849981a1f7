"""Messages that others have expunged while this session still has them in its view (RFC 2180 §4)."""

from services.common.errors import Refused
from services.imap.session import ImapSession


def left_out(session: ImapSession, uid: bool, silent: bool = False) -> None:
    """The command was performed without them.

    UIDs that are gone are ignored (RFC 3501 §6.4.8); a sequence number that the client may use and
    that stands for nothing any more is a reason for NO (RFC 2180 §4.1.3). Not when STORE is silent:
    NO would say that the other messages' flags are as before (RFC 2180 §4.2.1).
    """
    if not uid and not silent:
        raise Refused("EXPUNGED", "Some of the messages have been expunged")
    session.ok(f"{session.command_name.decode()} completed", b"EXPUNGEISSUED")
