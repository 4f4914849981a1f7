"""A front end killed in the middle of a command: the command is done whole or not at all."""

import imaplib
import socket

import pytest

from tests.chaos.support import Background, User, eventually, fill, message
from tests.support.platform import until
from tests.support.proxy import Mode
from tests.support.system import System

MANY = 2100  # three steps of a copy


@pytest.mark.parametrize("lines", [100, 30_000], ids=["small", "large"])
def test_smtp_in_the_middle_of_data(system: System, user: User, lines: int) -> None:
    octets = message("whole@example.net", "\r\n".join(["x" * 60] * lines))
    with socket.create_connection(("127.0.0.1", system.ports["mx"]), timeout=60) as connection:
        connection.sendall(
            b"EHLO c\r\nMAIL FROM:<c@example.net>\r\nRCPT TO:<%b>\r\nDATA\r\n" % user.address.encode()
        )
        seen = b""
        while b"\r\n354 " not in seen:
            seen += connection.recv(4096)
        connection.sendall(octets[: len(octets) // 2])
        system.smtp.kill()
    system.smtp.start()
    assert user.messages() == 0
    user.send_until_taken(octets)
    assert user.ids() == ["whole@example.net"]


def test_imap_in_the_middle_of_append(system: System, user: User) -> None:
    octets = message("whole@example.net", "\r\n".join(["x" * 60] * 5000))
    with system.imap_client(user.name) as client:
        client.send(b"a APPEND INBOX {%d}\r\n" % len(octets))
        assert client.readline().startswith(b"+ ")
        client.send(octets[: len(octets) // 2])
        system.imap.kill()
    system.imap.start()
    eventually(user, lambda: user.ids() == [])
    assert user.messages() == 0


def copy_all(system: System, user: User) -> str:
    """The outcome of a COPY of all messages, or how the connection ended."""
    try:
        with system.imap_client(user.name) as client:
            client.select()
            return client.copy("1:*", "Archive")[0]
    except (imaplib.IMAP4.error, OSError) as error:
        return str(error)


@pytest.mark.parametrize("when", ["at once", "in the middle"])
def test_imap_in_the_middle_of_copy(system: System, user: User, when: str) -> None:
    fill(system, user, MANY)
    copying = Background(lambda: copy_all(system, user))
    if when == "in the middle":
        until(lambda: user.messages("Archive") > 0, system.log)
    system.imap.kill()
    copying.result()
    system.imap.start()
    eventually(user, lambda: user.messages("Archive") in (0, MANY))


def test_store_in_the_middle_of_copy(system: System, user: User) -> None:
    """The other store goes on where this one stopped, and the client sees no failure."""
    fill(system, user, MANY)
    system.to_store[1].set(Mode.CUT)  # so that the first one is asked
    copying = Background(lambda: copy_all(system, user))
    until(lambda: user.messages("Archive", store=1) > 0, system.log)
    system.stores[0].kill()
    system.to_store[1].set(Mode.OPEN)
    assert copying.result() == "OK"
    assert user.messages("Archive", store=1) == MANY
