"""Settings of the SMTP service."""

from dataclasses import dataclass

from services.common.config import LISTEN, SECRET, SIZE, Address, FrontEndSettings, Secret, setting


@dataclass(frozen=True, kw_only=True)
class SmtpSettings(FrontEndSettings):
    """Those of every front end, and where SMTP listens."""

    listen_mx: Address | None = setting(LISTEN, "", "SMTP from other servers; empty: off", "0.0.0.0:25")
    listen_submission: Address | None = setting(
        LISTEN, "", "SMTP from mail clients, plain with STARTTLS; empty: off", "0.0.0.0:587"
    )
    listen_submissions: Address | None = setting(
        LISTEN, "", "SMTP from mail clients inside TLS; empty: off", "0.0.0.0:465"
    )
    service_token_mx: Secret = setting(
        SECRET, "", "Token for what LISTEN_MX receives, when this process submits too", "mx:93ab…"
    )
    max_message_size: int = setting(SIZE, "50M", "Largest message that is taken")
