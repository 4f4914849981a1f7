"""The body store down or slow: no mail is taken, what needs no bodies goes on, then all is well."""

import smtplib

import pytest

from tests.chaos.support import User, eventually, message, refused_for_now, works
from tests.support.system import System


@pytest.mark.parametrize("how", ["down", "paused"])
def test_without_bodies(system: System, user: User, how: str) -> None:
    user.send(message("kept@example.net"))
    with system.imap_client(user.name) as client, system.pop3_client(user.name) as maildrop:
        client.select()
        if how == "down":
            system.minio.kill()
        else:
            system.minio.pause()

        for text in ("small", "large\r\n" * 20_000):
            with system.submit() as server, pytest.raises(smtplib.SMTPDataError) as refused:
                server.sendmail("c@example.net", [user.address], message("later@example.net", text))
            assert refused.value.smtp_code == 451

        assert client.store("1", "+FLAGS", "\\Flagged")[0] == "OK"
        assert b"kept@example.net" in client.fetch("1", "(FLAGS ENVELOPE BODYSTRUCTURE)")[1][0]
        assert client.search(None, "FLAGGED") == ("OK", [b"1"])
        kind, said = client.fetch("1", "(BODY.PEEK[])")
        assert (kind, said[0][:13]) == ("NO", b"[UNAVAILABLE]")
        kind, said = client.append("INBOX", "", "", message("appended@example.net"))
        assert (kind, said[0][:13]) == ("NO", b"[UNAVAILABLE]")
        assert client.copy("1", "Archive")[0] == "OK"
        assert len(maildrop.uidl()[1]) == 1
        with pytest.raises(Exception, match="SYS/TEMP"):
            maildrop.retr(1)

        if how == "down":
            system.minio.start()
        else:
            system.minio.resume()
        user.send_until_taken(message("later@example.net"))
        eventually(user, lambda: client.fetch("1", "(BODY.PEEK[])")[0] == "OK")
        assert b"Text" in client.fetch("1", "(BODY.PEEK[])")[1][0][1]
        assert maildrop.retr(1)[1][-1] == b"Text"
        maildrop.quit()
    works(user, "kept@example.net", "later@example.net")
    assert user.ids("Archive") == ["kept@example.net"]


@pytest.mark.parametrize("how", ["down", "paused"])
def test_without_bodies_when_redis_has_restarted(system: System, user: User, how: str) -> None:
    """The new server's incarnation has no number yet: "later" to everybody, until it can be kept."""
    user.send(message("kept@example.net"))
    with system.imap_client(user.name) as client:
        client.select()
        if how == "down":
            system.minio.kill()
        else:
            system.minio.pause()
        system.redis.kill()
        system.redis.start()
        refused_for_now(user)
        kind, said = client.noop()
        assert (kind, said[0][:13]) == ("NO", b"[UNAVAILABLE]")
        if how == "down":
            system.minio.start()
        else:
            system.minio.resume()
        works(user, "kept@example.net")
        eventually(user, lambda: client.noop()[0] == "OK")
        assert client.search(None, "ALL") == ("OK", [b"1 2"])
