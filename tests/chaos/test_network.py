"""The network between front ends and stores cut or silent: "later", and no session is stuck."""

import pytest

from tests.chaos.support import User, eventually, fill, message, refused_for_now, works
from tests.support.proxy import Mode
from tests.support.system import System


@pytest.mark.parametrize("mode", [Mode.CUT, Mode.SILENT], ids=["cut", "silent"])
def test_front_ends_without_stores(system: System, user: User, mode: Mode) -> None:
    user.send(message("kept@example.net"))
    with (
        system.imap_client(user.name) as client,
        system.pop3_client(user.name) as maildrop,
        system.submit() as server,
    ):
        client.select()
        server.ehlo()
        server.mail("c@example.net")
        system.stores_through(mode)

        assert server.rcpt(user.address)[0] == 250  # it had mail a moment ago
        assert server.rcpt(f"not-asked-before-{user.address}")[0] == 451
        assert server.data(message("again@example.net"))[0] == 451
        for perform in (client.noop, lambda: client.fetch("1", "(BODY.PEEK[])"), client.list):
            kind, said = perform()
            assert (kind, said[0][:13]) == ("NO", b"[UNAVAILABLE]")
        with pytest.raises(Exception, match="SYS/TEMP"):
            maildrop.retr(1)
        refused_for_now(user)

        system.stores_through(Mode.OPEN)
        # The sender repeats what it was not told the end of; it is there once, whichever of them arrived.
        user.send_until_taken(message("again@example.net"))
        eventually(user, lambda: user.ids() == ["kept@example.net", "again@example.net"])
        # The same sessions go on.
        server.mail("c@example.net")
        assert server.rcpt(user.address)[0] == 250
        assert client.noop()[0] == "OK"
        assert client.search(None, "ALL") == ("OK", [b"1 2"])
        assert maildrop.retr(1)[1][-1] == b"Text"
        maildrop.quit()
    works(user, "kept@example.net", "again@example.net")


@pytest.mark.parametrize("mode", [Mode.CUT, Mode.SILENT], ids=["cut", "silent"])
def test_one_store_out_of_reach(system: System, user: User, mode: Mode) -> None:
    """The other one does it all: clients meet no failure."""
    for place, proxy in enumerate(system.to_store):
        proxy.set(mode)
        user.send(message(f"{place}@example.net"))
        assert len(user.ids()) == place + 1
        proxy.set(Mode.OPEN)


def test_idle_goes_on_behind_a_cut(system: System, user: User) -> None:
    """A session inside IDLE hears of mail that came while its front end had no store."""
    with system.imap_client(user.name) as client:
        client.select()
        client.send(b"i IDLE\r\n")
        assert client.readline().startswith(b"+ ")
        system.stores_through(Mode.CUT)
        fill(system, user, 1)
        system.stores_through(Mode.OPEN)
        assert client.readline() == b"* 1 EXISTS\r\n"
