"""A reply that is lost behind the commit, at each hop: the same reply again, and the effect once."""

import socket
import struct
from collections.abc import Callable

import pytest

from tests.chaos.support import Background, User, message
from tests.support.platform import until
from tests.support.proxy import Mode
from tests.support.system import System


def data_and_gone(user: User, octets: bytes, arrived: bool) -> None:
    """A client whose connection breaks behind the final dot, before or after the message is stored."""
    before = user.messages()
    with socket.create_connection(("127.0.0.1", user.system.ports["mx"]), timeout=60) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close resets
        connection.sendall(
            b"EHLO c\r\nMAIL FROM:<c@example.net>\r\nRCPT TO:<%b>\r\nDATA\r\n" % user.address.encode()
        )
        seen = b""
        while b"\r\n354 " not in seen:
            seen += connection.recv(4096)
        connection.sendall(octets + b".\r\n")
        if arrived:
            until(lambda: user.messages() == before + 1, user.system.log)


@pytest.mark.parametrize("arrived", [True, False], ids=["stored", "at once"])
@pytest.mark.parametrize("lines", [1, 3000], ids=["small", "large"])
def test_client_and_smtp(user: User, arrived: bool, lines: int) -> None:
    octets = message("once@example.net", "\r\n".join(["x" * 60] * lines))
    data_and_gone(user, octets, arrived)
    user.send(octets)
    user.send(octets)
    assert user.ids() == ["once@example.net"]


def lose_replies(
    system: System, lose: Callable[[Mode], None], call: Callable[[], object], done: Callable[[], bool]
) -> object:
    """Perform a call whose request arrives and whose replies are lost until its effect is there."""
    lose(Mode.MUTE)
    running = Background(call)
    try:
        until(done, system.log)
    finally:
        lose(Mode.OPEN)
    return running.result()


@pytest.mark.parametrize("lines", [1, 3000], ids=["small", "large"])
def test_smtp_and_store(system: System, user: User, lines: int) -> None:
    """Without Message-ID, so that nothing but the request id tells that it is a repeat."""
    octets = b"Subject: x\r\n\r\n" + b"x\r\n" * lines
    with system.submit() as server:  # the envelope goes through, then replies are lost
        server.ehlo()
        server.mail("c@example.net")
        server.rcpt(user.address)
        lose_replies(
            system,
            system.stores_through,
            lambda: server.data(octets)[0] == 250 or pytest.fail("not taken"),
            lambda: user.messages() == 1,
        )
    assert user.messages() == 1


def test_store_and_redis(system: System, user: User) -> None:
    """What one store has written without hearing of it, the other one knows when it is asked again."""
    system.to_store[1].set(Mode.CUT)  # so that the first one is asked
    with system.submit() as server:
        server.ehlo()
        server.mail("c@example.net")
        server.rcpt(user.address)

        def lose(mode: Mode) -> None:
            system.to_redis[0].set(mode)
            if mode is Mode.OPEN:
                system.to_store[1].set(Mode.OPEN)

        lose_replies(
            system,
            lose,
            lambda: server.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250 or pytest.fail("not taken"),
            lambda: user.messages(store=1) == 1,
        )
    assert user.messages() == 1


OPERATIONS: dict[str, tuple[tuple[str, ...], dict[str, int]]] = {
    # what the client says, and how many messages are in which mailbox then
    "copy": (("COPY", "1:2", "Archive"), {"INBOX": 3, "Archive": 2}),
    "move": (("MOVE", "1:2", "Archive"), {"INBOX": 1, "Archive": 2}),
    "expunge": (("EXPUNGE",), {"INBOX": 2}),
    "create": (("CREATE", "New"), {"New": 0}),
    "delete": (("DELETE", "Junk"), {"Junk": -1}),
    "rename": (("RENAME", "Junk", "Spam"), {"Junk": -1, "Spam": 0}),
    "append": (("APPEND", "Drafts"), {"Drafts": 1}),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_imap_and_store(system: System, user: User, name: str) -> None:
    words, counts = OPERATIONS[name]
    for number in range(3):
        user.send(message(f"{number}@example.net"))
    with system.imap_client(user.name) as client:
        client.select()
        client.store("3", "+FLAGS", "\\Deleted")

        def perform() -> str:
            if words[0] == "APPEND":
                return client.append(words[1], "", "", b"Subject: x\r\n\r\nx\r\n")[0]
            if words[0] == "MOVE":
                return client.xatom(*words)[0]
            return str(getattr(client, words[0].lower())(*words[1:])[0])

        def done() -> bool:
            return all(user.messages(box) == wanted for box, wanted in counts.items())

        assert lose_replies(system, system.stores_through, perform, done) == "OK"
        assert done()


def test_quit_and_store(system: System, user: User) -> None:
    for number in range(3):
        user.send(message(f"{number}@example.net"))
    with system.pop3_client(user.name) as client:
        client.dele(2)
        said = lose_replies(system, system.stores_through, client.quit, lambda: user.messages() == 2)
        assert isinstance(said, bytes)
        assert said.startswith(b"+OK")
    assert user.ids() == ["0@example.net", "2@example.net"]
