"""Identifiers: request ids, which make retries safe, and the short names of connections in logs."""

import os
import time


def new_request_id() -> bytes:
    """16 octets in ULID layout: 48 bits of Unix milliseconds, 80 random bits."""
    return (time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10)


def new_connection_id() -> str:
    """A name for one connection in the logs of one day."""
    return os.urandom(6).hex()
