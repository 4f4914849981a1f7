"""Mail through containers: in at one replica, out at the other ones, watched by their own health checks."""

import imaplib
import poplib
import smtplib
import ssl

import pytest

from tests.deploy.containers.engine import until
from tests.deploy.containers.platform import FRONT_ENDS, SERVERS, STORES, Platform

pytestmark = pytest.mark.containers
TIMEOUT = 60.0


def tls(platform: Platform) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=platform.certificate)


def by_imap(platform: Platform, name: str, user: str) -> list[bytes]:
    """All messages, whole."""
    port = platform.boxes[name].port(993)
    with imaplib.IMAP4_SSL("localhost", port, ssl_context=tls(platform), timeout=TIMEOUT) as client:
        client.login(user, user.partition("@")[0])
        client.select("INBOX", readonly=True)
        _, found = client.uid("FETCH", "1:*", "(BODY.PEEK[])")
    return [part[1] for part in found if isinstance(part, tuple)]


def by_pop3(platform: Platform, name: str, user: str) -> list[bytes]:
    port = platform.boxes[name].port(995)
    client = poplib.POP3_SSL("localhost", port, context=tls(platform), timeout=TIMEOUT)
    client.user(user)
    client.pass_(user.partition("@")[0])
    found = [b"\r\n".join(client.retr(number + 1)[1]) + b"\r\n" for number in range(client.stat()[0])]
    client.quit()
    return found


def test_in_at_one_replica_out_at_the_other(running: Platform) -> None:
    ann, ben = running.create_account("ann"), running.create_account("ben")
    with smtplib.SMTP("127.0.0.1", running.boxes["smtp-1"].port(25), timeout=TIMEOUT) as server:
        server.sendmail("someone@elsewhere.test", [ann, ben], "Subject: from outside\r\n\r\nOne.\r\n")
    with smtplib.SMTP("localhost", running.boxes["smtp-2"].port(587), timeout=TIMEOUT) as server:
        server.starttls(context=tls(running))
        server.login(ben, "ben")
        server.sendmail(ben, [ann], "Subject: from inside\r\n\r\nTwo.\r\n")
    for replica in ("imap-1", "imap-2"):
        found = by_imap(running, replica, ann)
        assert [b"One." in found[0], b"Two." in found[1], len(found)] == [True, True, 2]
        assert by_pop3(running, replica.replace("imap", "pop3"), ann) == found
    assert b"from outside" in by_imap(running, "imap-2", ben)[0]


def test_health_checks_of_the_images_agree(running: Platform) -> None:
    for name in (*STORES, *FRONT_ENDS, "minio"):
        until(f"{name} is healthy", running.boxes[name].healthy)


def test_containers_are_confined(running: Platform) -> None:
    for name in (*SERVERS, *STORES, *FRONT_ENDS):
        box = running.boxes[name]
        code, output = box.run("sh", "-c", "id -u; grep CapEff /proc/self/status; touch /x")
        user, capabilities, complaint = output.splitlines()
        assert code != 0, name
        assert user not in ("0", ""), name
        assert int(capabilities.split()[1], 16) == 0, name
        assert "Read-only file system" in complaint, name
