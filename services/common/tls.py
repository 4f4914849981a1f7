"""The certificate that listeners show, read again when its files change.

One SSLContext serves all listeners of a process: what is loaded into it holds
for every handshake from then on. A half-written or mismatched pair of files is
tried on a context of its own first, and the old certificate stays.
"""

import asyncio
import ssl
from pathlib import Path

import structlog

from services.common.config import FrontEndSettings, SettingError

LOOK_INTERVAL = 10.0
log = structlog.stdlib.get_logger()


def new_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer (RFC 8996), for servers; OSError or ssl.SSLError for files that do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_cert_chain(certificate, key)
    return context


class Certificate:
    """A pair of files and the context made of them."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._seen = self._state()
        self.context = new_context(certificate, key)

    def reload(self) -> bool:
        """Load the files again if they have changed; whether they did."""
        state = self._state()
        if state == self._seen:
            return False
        try:
            new_context(*self._files)
            self.context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:
            log.warning("certificate not taken", file=str(self._files[0]), error=str(error))
            return False
        self._seen = state
        log.info("certificate read again", file=str(self._files[0]))
        return True

    async def keep_fresh(self, interval: float = LOOK_INTERVAL) -> None:
        while True:
            await asyncio.sleep(interval)
            self.reload()

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when a file does, or the link that leads to it."""
        try:
            stats = [file.stat() for file in self._files]
        except OSError:
            return ()
        return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)


def configured(settings: FrontEndSettings) -> Certificate | None:
    """The certificate of the settings; None: no TLS here. SettingError for files that do not fit."""
    if settings.tls_cert_file is None:
        return None
    if settings.tls_key_file is None:
        raise SettingError("TLS_KEY_FILE is not set: TLS_CERT_FILE needs its private key")
    try:
        return Certificate(settings.tls_cert_file, settings.tls_key_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingError(f"TLS_CERT_FILE or TLS_KEY_FILE is malformed: {error}") from None
