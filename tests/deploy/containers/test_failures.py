"""Containers die while mail flows: nothing that was acknowledged is lost, nothing is there twice."""

import imaplib
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.deploy.containers.engine import until
from tests.deploy.containers.platform import FRONT_ENDS, STORES, Platform

pytestmark = pytest.mark.containers
TIMEOUT = 120.0


@pytest.mark.parametrize("names", [STORES, FRONT_ENDS], ids=["stores", "front ends"])
def test_killed_and_restarted(running: Platform, names: tuple[str, ...]) -> None:
    """One after the other, as often as there are replicas; each is back before the next dies."""
    with running.traffic(f"kill-{names[0]}") as flow:
        for name in names:
            container = running.boxes[name].container
            container.kill()
            container.start()
            until(f"{name} is ready", lambda name=name: running.ready(name))
            flow.some()


def test_all_stores_at_once(running: Platform) -> None:
    with running.traffic("no-store"):
        containers = [running.boxes[name].container for name in STORES]
        for container in containers:
            container.kill()
        for container in containers:
            container.start()
        running.all_ready()


def test_stopped_in_order(running: Platform) -> None:
    """SIGTERM drains: exit code 0."""
    with running.traffic("drain"):
        for name in ("store-1", "smtp-1", "pop3-1", "imap-1"):
            box = running.boxes[name]
            box.container.stop(timeout=60)
            assert box.state()["ExitCode"] == 0, box.log()
            box.container.start()
            until(f"{name} is ready", lambda name=name: running.ready(name))


def test_redis_comes_back_from_its_log(running: Platform) -> None:
    """kill -9, and a new container on the same volume, which holds the append-only file alone."""
    with running.traffic("redis") as flow:
        running.boxes["redis"].replace()
        flow.some()
    running.all_ready()


# -- MinIO pauses ---------------------------------------------------------------------


@contextmanager
def mailbox(platform: Platform, user: str) -> Iterator[imaplib.IMAP4_SSL]:
    trust = ssl.create_default_context(cafile=platform.certificate)
    port = platform.boxes["imap-1"].port(993)
    with imaplib.IMAP4_SSL("localhost", port, ssl_context=trust, timeout=TIMEOUT) as client:
        client.login(user, user.partition("@")[0])
        client.select("INBOX")
        yield client


def deliver(platform: Platform, user: str, text: str) -> int:
    """The reply's code to the message."""
    with smtplib.SMTP("127.0.0.1", platform.boxes["smtp-1"].port(25), timeout=TIMEOUT) as server:
        server.ehlo()
        server.mail("someone@elsewhere.test")
        code, _ = server.rcpt(user)
        assert code == 250
        return server.data(text)[0]


def test_minio_pauses(running: Platform) -> None:
    """No message goes in, no body comes out; lists and flags work; then all is well."""
    user = running.create_account("paused")
    assert deliver(running, user, "Subject: one\r\n\r\nThe first.\r\n") == 250
    container = running.boxes["minio"].container
    container.pause()
    try:
        assert deliver(running, user, "Subject: two\r\n\r\nNot now.\r\n") == 451
        with mailbox(running, user) as client:
            assert client.list()[0] == "OK"
            kind, (line,) = client.fetch("1", "(FLAGS ENVELOPE RFC822.SIZE)")
            assert kind == "OK"
            assert b'"one"' in line
            assert client.store("1", "+FLAGS", r"(\Flagged)")[0] == "OK"
            kind, (refusal,) = client.fetch("1", "(BODY.PEEK[])")
            assert (kind, b"[UNAVAILABLE]" in refusal) == ("NO", True)
    finally:
        container.unpause()
    until("a message goes in", lambda: deliver(running, user, "Subject: three\r\n\r\nThird.\r\n") == 250)
    with mailbox(running, user) as client:
        _, parts = client.fetch("1:*", "(FLAGS BODY.PEEK[])")
    heads = [part[0] for part in parts if isinstance(part, tuple)]
    bodies = [part[1] for part in parts if isinstance(part, tuple)]
    assert rb"\Flagged" in heads[0]
    assert [b"one" in bodies[0], b"three" in bodies[1], len(bodies)] == [True, True, 2]


def test_mail_flows_on_when_minio_comes_back(running: Platform) -> None:
    container = running.boxes["minio"].container
    with running.traffic("minio") as flow:
        container.pause()
        try:
            assert deliver(running, "minio@example.test", "Subject: x\r\n\r\nNot now.\r\n") == 451
        finally:
            container.unpause()
        flow.some()
