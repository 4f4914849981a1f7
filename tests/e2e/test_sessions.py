"""Several IMAP connections of one user: what one does, the others are told."""

import imaplib
import re
import time

from tests.support.platform import PATIENCE, Platform


class Idler:
    """A connection inside IDLE (RFC 2177), which imaplib of Python 3.11 does not know."""

    def __init__(self, client: imaplib.IMAP4_SSL) -> None:
        self.client = client
        client.send(b"i IDLE\r\n")
        assert client.readline().startswith(b"+ ")

    def hears(self, pattern: bytes) -> list[bytes]:
        """The untagged responses up to one that matches."""
        heard: list[bytes] = []
        deadline = time.monotonic() + PATIENCE
        while not heard or not re.search(pattern, heard[-1]):
            assert time.monotonic() < deadline, heard
            heard.append(self.client.readline())
            assert heard[-1], "closed"
        return heard

    def done(self) -> None:
        self.client.send(b"DONE\r\n")
        self.hears(rb"^i OK")


def test_idle_tells_of_a_delivery_a_flag_and_an_expunge(platform: Platform, user: str) -> None:
    with platform.imap(user) as first, platform.imap(user) as second:
        first.select()
        second.select()
        idler = Idler(first)
        platform.deliver("news", user)
        idler.hears(rb"^\* 1 EXISTS")
        second.noop()
        second.store("1", "+FLAGS", "(\\Flagged later)")
        assert any(b"later" in line for line in idler.hears(rb"^\* 1 FETCH .*\\Flagged"))
        second.store("1", "+FLAGS", "\\Deleted")
        second.expunge()
        idler.hears(rb"^\* 1 EXPUNGE")
        idler.done()
        assert first.noop()[0] == "OK"
        assert first.search(None, "ALL") == ("OK", [b""])


def test_a_folder_is_seen_by_others(platform: Platform, user: str) -> None:
    with platform.imap(user) as first, platform.imap(user) as second:
        first.create("Letters/2024")
        names = b"\n".join(line for line in second.list()[1] if isinstance(line, bytes))
        assert b'"/" "Letters/2024"' in names
        platform.deliver("moved", user)
        second.select()
        second.copy("1", "Letters/2024")
        first.select("Letters/2024", readonly=True)
        assert first.response("EXISTS")[1] == [b"1"]
        second.rename("Letters", "Post")
        assert first.noop()[0] == "OK"
        assert first.status("Post/2024", "(MESSAGES)") == ("OK", [b'"Post/2024" (MESSAGES 1)'])
        second.delete("Post/2024")
        assert second.status("Post/2024", "(MESSAGES)")[0] == "NO"


def test_imap_and_pop3_see_one_mailbox(platform: Platform, user: str) -> None:
    for subject in ("one", "two", "three"):
        platform.deliver(subject, user)
    with platform.imap(user) as client, platform.pop3(user) as maildrop:
        client.select()
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()
        assert maildrop.stat()[0] == 3, "a snapshot"
        assert b"Subject: one" in maildrop.retr(1)[1]
        maildrop.dele(2)
        assert client.noop()[0] == "OK"
        assert client.search(None, "ALL") == ("OK", [b"1 2"]), "nothing goes before QUIT"
        maildrop.quit()
        assert client.noop()[0] == "OK"
        assert client.search(None, "ALL") == ("OK", [b"1"])
    assert platform.subjects(user=user) == ["three"]


def test_starttls_in_imap_and_stls_in_pop3(platform: Platform, user: str) -> None:
    name = user.partition("@")[0]
    client = imaplib.IMAP4("localhost", platform.port(143), timeout=60)
    assert "LOGINDISABLED" in client.capabilities
    client.starttls(platform.tls)
    client.login(name, name)  # the local part alone, in the default domain
    assert client.select()[0] == "OK"
    client.logout()


def test_append_keeps_date_flags_and_octets(platform: Platform, user: str) -> None:
    message = b"Subject: kept\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe4\xff\r\n"
    with platform.imap(user) as client:
        kind, _ = client.append("Drafts", "(\\Draft \\Seen)", '"01-Feb-2023 03:04:05 +0100"', message)
        assert kind == "OK"
        client.select("Drafts")
        _, [(line, octets), _] = client.fetch("1", "(FLAGS INTERNALDATE BODY.PEEK[])")
    assert octets == message
    assert b'INTERNALDATE " 1-Feb-2023 03:04:05 +0100"' in line
    assert b"\\Draft" in line
    assert b"\\Seen" in line
