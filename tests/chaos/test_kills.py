"""kill -9 of every process in turn under load: nothing acknowledged is lost or doubled."""

import threading
from collections import Counter

from tests.chaos.support import LATER, Load, User, checked_later, eventually
from tests.support.processes import Server
from tests.support.system import System


class Reader:
    """Reads by IMAP and POP3 all the time: a message stays what it is, and none goes away."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.imap: dict[int, str] = {}
        self.pop3: dict[bytes, int] = {}
        self.rounds = 0
        self._failure: list[BaseException] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._failure:
            raise self._failure[0]

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                for look in (self._imap, self._pop3):
                    try:
                        look()
                        self.rounds += 1
                    except LATER as error:
                        checked_later(error)
        except BaseException as failure:
            self._failure.append(failure)

    def _imap(self) -> None:
        found = self.user.by_uid()
        assert found.items() >= self.imap.items()
        self.imap = found

    def _pop3(self) -> None:
        with self.user.system.pop3_client(self.user.name) as client:
            lines = client.uidl()[1]
            sizes = client.list()[1]
            client.quit()
        found = {uidl.split()[1]: int(size.split()[1]) for uidl, size in zip(lines, sizes, strict=True)}
        assert found.items() >= self.pop3.items()
        self.pop3 = found


def crash(*servers: Server) -> None:
    for server in servers:
        server.kill()
    for server in servers:
        server.start()


def test_kill_each_in_turn_under_load(system: System, user: User) -> None:
    with Load(user) as load, Reader(user) as reader:
        load.more()
        for server in (system.stores[0], system.smtp, system.imap, system.pop3, system.stores[1]):
            crash(server)
            load.more()
        crash(system.redis)
        load.more()
        crash(*system.stores)  # no store is left meanwhile
        load.more()
        rounds = reader.rounds
        eventually(user, lambda: reader.rounds > rounds + 1)
    assert Counter(user.ids()) == Counter(load.acknowledged)


def test_a_store_that_is_away_is_not_noticed(system: System, user: User) -> None:
    """With one of two stores down a client meets no failure at all."""
    for place, store in enumerate(system.stores):
        store.kill()
        for number in range(5):
            user.send(f"Message-ID: <{place}.{number}>\r\n\r\nText\r\n".encode())
        assert len(user.ids()) == 5 * (place + 1)
        store.start()
