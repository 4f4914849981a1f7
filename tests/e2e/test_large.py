"""A message of 20 MB on every way in and out; no process of the platform ever holds it."""

import hashlib
import smtplib
from pathlib import Path

from tests.support.platform import Platform

LINE = b"0123456789abcdef" * 4 + b"\r\n"
LARGE, LESS_LARGE = 20 * 1024 * 1024, 4 * 1024 * 1024
NAMES = ("store", "smtp", "imap", "pop3")
# What a process may hold more for a message that is 16 MB larger, in KB: not the message.
ROOM = 8 * 1024


def message(subject: str, octets: int) -> bytes:
    return f"Subject: {subject}\r\n\r\n".encode() + LINE * (octets // len(LINE))


def peak(platform: Platform, name: str) -> int:
    """The most memory that a process has held so far, in KB."""
    status = Path(f"/proc/{platform.child(name)}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def lines_of(octets: bytes) -> str:
    """A digest of a message without the trace fields before its Subject."""
    return hashlib.sha256(octets[octets.index(b"Subject:") :]).hexdigest()


def in_and_out(platform: Platform, user: str, octets: int) -> None:
    """By SMTP and IMAP into an empty INBOX, out of it by IMAP and POP3."""
    delivered, appended = message("delivered", octets), message("appended", octets)
    with smtplib.SMTP("localhost", platform.port(25), timeout=120) as server:
        server.sendmail("c@example.net", [user], delivered)
    with platform.imap(user) as client:
        client.append("INBOX", "", "", appended)
        client.select(readonly=True)
        _, found = client.fetch("1:2", "(BODY.PEEK[])")
    bodies = [row[1] for row in found if isinstance(row, tuple)]
    assert [lines_of(body) for body in bodies] == [lines_of(delivered), lines_of(appended)]
    with platform.pop3(user) as maildrop:
        assert lines_of(b"\r\n".join([*maildrop.retr(1)[1], b""])) == lines_of(delivered)
        maildrop.dele(1)
        maildrop.dele(2)
        maildrop.quit()


def test_a_large_message_in_and_out(platform: Platform, user: str) -> None:
    in_and_out(platform, user, LESS_LARGE)  # fills all buffers
    before = {name: peak(platform, name) for name in NAMES}
    in_and_out(platform, user, LARGE)
    grown = {name: peak(platform, name) - before[name] for name in NAMES}
    assert max(grown.values()) < ROOM, grown
