"""Settings of the POP3 service."""

from dataclasses import dataclass

from services.common.config import LISTEN, Address, FrontEndSettings, setting


@dataclass(frozen=True, kw_only=True)
class Pop3Settings(FrontEndSettings):
    """Those of every front end, and where POP3 listens."""

    listen_pop3: Address | None = setting(LISTEN, "", "POP3, plain with STLS; empty: off", "0.0.0.0:110")
    listen_pop3s: Address | None = setting(LISTEN, "", "POP3 inside TLS; empty: off", "0.0.0.0:995")
