"""A Dovecot to measure beside: of its own folder and ports, durable as its defaults are.

Needs root and Dovecot 2.3 (Debian: dovecot-imapd, dovecot-lmtpd). Users need not be made: each name is
taken, with the password of all. Maildir; a delivered message is synced before LMTP says 250.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.platform import PASSWORD

OWNER = "mail"  # whom the mailboxes belong to
START_SECONDS = 20.0
# Login processes for any number of connections, IMAP processes for a hundred sessions one after the other.
# The package makes a process of each for every session.
AGAIN = {
    "login_processes": "service_count = 0\n  process_min_avail = 2",
    "imap_processes": "service_count = 100\n  process_min_avail = 2",
}

CONFIGURATION = """
protocols = imap lmtp
base_dir = {folder}/run
log_path = {folder}/log
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_username_format = %Ln
mail_location = maildir:{folder}/mail/%n
mail_max_userip_connections = 100
first_valid_uid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%n allow_all_users=yes
}}
service imap-login {{
  {login_processes}
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service imap {{
  process_limit = 100
  {imap_processes}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Dovecot:
    """One that runs."""

    root: int  # its first process
    imap: int
    lmtp: int


@contextmanager
def running(offset: int, again: bool) -> Iterator[Dovecot]:
    """Start it, wait until it answers, stop it at the end. `again`: processes serve more than one session."""
    program = shutil.which("dovecot")
    if program is None or os.getuid() != 0:
        raise RuntimeError("Dovecot is not installed here, or this is not root")
    owner = pwd.getpwnam(OWNER)
    with tempfile.TemporaryDirectory(prefix="buuta-dovecot-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "mail").mkdir()
        os.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
        values = {"folder": folder, "password": PASSWORD, "uid": owner.pw_uid, "gid": owner.pw_gid}
        values |= AGAIN if again else dict.fromkeys(AGAIN, "")
        ports = {"imap": offset + 143, "lmtp": offset + 24}
        (folder / "conf").write_text(CONFIGURATION.format(**values, **ports))
        process = subprocess.Popen([program, "-F", "-c", folder / "conf"])
        try:
            for port in ports.values():
                _wait_for(port, process)
            yield Dovecot(process.pid, **ports)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("Dovecot does not start")
