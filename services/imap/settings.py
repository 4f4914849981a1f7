"""The settings of an IMAP process."""

from dataclasses import dataclass

from services.common.config import LISTEN, SIZE, Address, FrontEndSettings, setting


@dataclass(frozen=True, kw_only=True)
class ImapSettings(FrontEndSettings):
    """Those of every front end, where IMAP listens, and what it takes."""

    listen_imap: Address | None = setting(LISTEN, "", "IMAP with STARTTLS; empty: off", "0.0.0.0:143")
    listen_imaps: Address | None = setting(
        LISTEN, "", "IMAP inside TLS (RFC 8314); empty: off", "0.0.0.0:993"
    )
    max_message_size: int = setting(SIZE, "50M", "The largest message that APPEND takes")
