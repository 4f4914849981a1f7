"""Prints docs/settings.md from where the settings are declared.

python docs/print_settings.py > docs/settings.md
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from services.common.config import CommonSettings, declared, table
from services.imap.settings import ImapSettings
from services.pop3.settings import Pop3Settings
from services.smtp.settings import SmtpSettings
from services.store.settings import StoreSettings

HEAD = """# Settings

Every service reads its settings from environment variables when it starts. A
missing or malformed one ends it with exit code 2 and one line that names it.
An empty variable counts as not set, except where "empty" is said to mean
something. Sizes are octets, with an optional `K`, `M`, `G` or `T` (powers of
1,024); times are seconds, or have `s`, `m`, `h` or `d` behind them. A secret that is
not set is read from the file that the variable with `_FILE` behind its name names
(`CLUSTER_KEY_FILE=/secrets/cluster.key`).

This page is printed by `python docs/print_settings.py`.
"""
LOCAL = """
## make run

`make run` sets all of the settings below by itself; what else is in its
environment (`LOG_LEVEL`, `MAX_MESSAGE_SIZE`, …) goes through to the services.

| variable | default | meaning |
|---|---|---|
| `BUUTA_DATA` | `./var` | The folder that holds all state |
| `BUUTA_PORT_OFFSET` | `10000` | Added to every standard port |
| `S3_ENDPOINT` | | Keep bodies in S3 (with the other `S3_…` of the store) instead of the folder |
"""
SERVICES: tuple[tuple[str, type[CommonSettings]], ...] = (
    ("store", StoreSettings),
    ("smtp", SmtpSettings),
    ("pop3", Pop3Settings),
    ("imap", ImapSettings),
)


def page() -> str:
    """The whole page."""
    parts = [HEAD, LOCAL]
    for name, settings in SERVICES:
        assert list(declared(settings)), f"{name} declares nothing"
        parts.append(f"\n## {name}\n\n`python -m services.{name}`\n\n{table(settings)}")
    return "".join(parts)


if __name__ == "__main__":
    print(page(), end="")
