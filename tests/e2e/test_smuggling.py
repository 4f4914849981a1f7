"""Octets that others take for the end of a message: refused whole, and what follows stays message text.

Each row is what stands where only CRLF.CRLF may end a message (RFC 5321 §4.1.1.4), with
a second transaction behind it: it must never be performed.
"""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import BinaryIO

import pytest

from tests.support.platform import Platform

FALSE_ENDS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "LF.CR": b"\n.\r",
    "CRLF NUL.CRLF": b"\r\n\0.\r\n",
    "CRCRLF.CRLF": b"\r\r\n.\r\n",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CRLF NUL": b"\r\n.\0\r\n",
}
# Not one bare line end: ordinary text that must arrive.
HARMLESS = {"CRLF NUL.CRLF", "CRLF NUL"}
REALLY_ENDS = {"CRCRLF.CRLF"}  # its last five octets are CRLF.CRLF, behind a bare CR


@contextmanager
def dialogue(platform: Platform) -> Iterator[BinaryIO]:
    with (
        socket.create_connection(("127.0.0.1", platform.port(25)), timeout=60) as connection,
        closing(connection.makefile("rwb", 0)) as file,
    ):
        assert file.readline().startswith(b"220 ")
        yield file


def say(file: BinaryIO, octets: bytes, code: bytes) -> None:
    file.write(octets)
    while (line := file.readline())[3:4] == b"-":
        pass
    assert line.startswith(code), line


def begin(file: BinaryIO, user: str) -> None:
    say(file, b"EHLO c.example.net\r\n", b"250 ")
    say(file, b"MAIL FROM:<c@example.net>\r\n", b"250 ")
    say(file, b"RCPT TO:<%b>\r\n" % user.encode(), b"250 ")
    say(file, b"DATA\r\n", b"354 ")


@pytest.mark.parametrize("name", FALSE_ENDS)
def test_nothing_is_smuggled(platform: Platform, user: str, name: str) -> None:
    smuggled = b"MAIL FROM:<admin@example.test>\r\nRCPT TO:<%b>\r\nDATA\r\n" % user.encode()
    smuggled += b"Subject: smuggled\r\n\r\nx"
    with dialogue(platform) as file:
        begin(file, user)
        message = b"Subject: outer\r\n\r\nText" + FALSE_ENDS[name] + smuggled + b"\r\n.\r\n"
        if name in REALLY_ENDS:
            say(file, message.partition(smuggled)[0], b"550 5.6.0")
        else:
            say(file, message, b"250 " if name in HARMLESS else b"550 5.6.0")
        say(file, b"NOOP\r\n", b"250 ")  # in step: no reply to a smuggled command came between
        say(file, b"QUIT\r\n", b"221 ")
        assert file.readline() == b""
    assert platform.subjects(user=user) == (["outer"] if name in HARMLESS else [])


def test_dots_at_line_starts_arrive_as_they_were(platform: Platform, user: str) -> None:
    with dialogue(platform) as file:
        begin(file, user)
        say(file, b"Subject: dots\r\n\r\n..\r\n...two\r\n a.\r\n.\r\n", b"250 ")
    with platform.pop3(user) as maildrop:
        lines = maildrop.retr(1)[1]
    assert lines[-3:] == [b".", b"..two", b" a."]


def test_pipelined_commands(platform: Platform, user: str) -> None:
    """RFC 2920: one write with all of a transaction, and the next one; replies in order."""
    transaction = b"MAIL FROM:<c@example.net>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<%b>\r\nDATA\r\n"
    with dialogue(platform) as file:
        say(file, b"EHLO c.example.net\r\n", b"250 ")
        file.write(transaction % user.encode())
        assert [file.readline()[:3] for _ in range(4)] == [b"250", b"550", b"250", b"354"]
        file.write(b"Subject: one\r\n\r\n1\r\n.\r\n" + transaction % user.encode())
        assert [file.readline()[:3] for _ in range(5)] == [b"250", b"250", b"550", b"250", b"354"]
        file.write(b"Subject: two\r\n\r\n2\r\n.\r\nRSET\r\nQUIT\r\n")
        assert [file.readline()[:3] for _ in range(3)] == [b"250", b"250", b"221"]
    assert platform.subjects(user=user) == ["one", "two"]


def test_size_is_told_and_kept(platform: Platform, user: str) -> None:
    """RFC 1870: refused at MAIL when declared, at the end of DATA when not."""
    limit = 30 * 1024 * 1024
    with dialogue(platform) as file:
        file.write(b"EHLO c.example.net\r\n")
        lines = [file.readline()]
        while lines[-1][3:4] == b"-":
            lines.append(file.readline())
        assert any(line[4:] == b"SIZE %d\r\n" % limit for line in lines)
        say(file, b"MAIL FROM:<c@example.net> SIZE=%d\r\n" % (limit + 1), b"552 5.3.4")
        say(file, b"MAIL FROM:<c@example.net> SIZE=%d\r\n" % limit, b"250 ")
        say(file, b"RCPT TO:<%b>\r\n" % user.encode(), b"250 ")
        say(file, b"DATA\r\n", b"354 ")
        line = b"x" * 998 + b"\r\n"
        for _ in range(limit // len(line) + 1):
            file.write(line)
        say(file, b".\r\n", b"552 5.3.4")
        say(file, b"NOOP\r\n", b"250 ")
    assert platform.subjects(user=user) == []
