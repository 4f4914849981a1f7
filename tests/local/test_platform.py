"""`python -m services.local` as a user meets it: mail goes in and comes out, and survives what happens."""

import imaplib
import os
import signal
import smtplib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from buuta.v1.account_pb2 import ListAccountsRequest
from services.local.layout import service_token
from tests.support.platform import Platform, free_offset, service, until
from tests.support.processes import MinioServer, free_port, redis_binary


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    redis_binary()
    platform = Platform(tmp_path)
    platform.start()
    yield platform
    if not platform.ended():
        platform.stop()


def test_mail_by_every_protocol(platform: Platform) -> None:
    with smtplib.SMTP("localhost", platform.port(587), timeout=30) as server:
        server.starttls(context=platform.tls)
        server.login("bob@example.test", "bob")
        server.sendmail("bob@example.test", ["alice@example.test"], "Subject: submitted\r\n\r\nText\r\n")
    platform.deliver("delivered")
    assert platform.subjects() == ["submitted", "delivered"]
    with platform.pop3() as maildrop:
        assert maildrop.stat()[0] == 2
        maildrop.quit()
    with platform.admin() as client:
        accounts = client.accounts.ListAccounts(ListAccountsRequest()).accounts
    assert [account.address for account in accounts] == ["alice@example.test", "bob@example.test"]
    assert platform.stop() == 0


def names_of(platform: Platform) -> list[object]:
    """All by which clients know alice's mailboxes and messages: nothing of it may ever change."""
    with platform.pop3() as maildrop:
        uidls = maildrop.uidl()[1]
        maildrop.quit()
    with platform.imap() as client:
        _, validity = client.status("INBOX", "(UIDVALIDITY MESSAGES)")
        client.select(readonly=True)
        _, messages = client.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE)")
        return [uidls, validity, messages, client.list()[1], client.lsub()[1]]


def test_nothing_is_lost_by_a_stop_or_a_crash(platform: Platform) -> None:
    platform.deliver("one")
    with platform.imap() as client:
        client.create("Letters")
        client.subscribe("Letters")
        client.select()
        client.store("1", "+FLAGS", "(\\Flagged later)")
        client.copy("1", "Letters")
    before = names_of(platform)
    assert platform.stop(signal.SIGTERM) == 0
    platform.start()
    assert names_of(platform) == before
    platform.deliver("two")
    before = names_of(platform)
    platform.stop(signal.SIGKILL)
    platform.start()
    assert names_of(platform) == before
    assert platform.subjects() == ["one", "two"]
    assert platform.subjects(mailbox="Letters") == ["one"]


@pytest.mark.parametrize("name", ["redis", "store", "imap"])
def test_a_child_that_dies_comes_back(platform: Platform, name: str) -> None:
    platform.deliver("one")
    first = platform.child(name)
    os.kill(first, signal.SIGKILL)
    until(lambda: "starts again" in platform.log(), platform.log)

    def works() -> bool:
        try:
            return platform.subjects() == ["one"]
        except (OSError, imaplib.IMAP4.error):
            return False

    until(works, platform.log)
    assert platform.child(name) != first
    assert platform.stop() == 0


def test_a_second_one_on_the_same_folder_is_refused(platform: Platform) -> None:
    environment = {**os.environ, "BUUTA_DATA": str(platform.data), "BUUTA_PORT_OFFSET": str(free_offset())}
    second = subprocess.run(
        [sys.executable, "-m", "services.local"], env=environment, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "in use" in second.stderr
    third = subprocess.Popen(
        [sys.executable, "-m", "services.local"], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert third.stderr is not None
    assert "in use" in third.stderr.readline()
    third.send_signal(signal.SIGINT)
    assert third.communicate(timeout=30)[1] == ""
    assert third.returncode == 130


def test_any_name_of_a_folder(tmp_path: Path) -> None:
    """It is part of a URL, of commands, and of the path of a socket, which has to be short."""
    redis_binary()
    platform = Platform(tmp_path)
    short = set(Path(tempfile.gettempdir()).glob("buuta-*"))
    for folder in ("a #1?db=2 %20 'b'", "long" * 30):
        platform.data = tmp_path / folder
        platform.start()
        platform.deliver("one", to="postmaster@example.test")
        assert platform.subjects() == ["one"]
        assert platform.stop() == 0
    assert set(Path(tempfile.gettempdir()).glob("buuta-*")) == short


def test_a_second_store_and_front_end_are_the_same_system(platform: Platform) -> None:
    platform.deliver("one")
    key = (platform.data / "cluster.key").read_text().strip()
    store, imaps = f"127.0.0.1:{free_port()}", free_port()
    redis = f"unix://{platform.data}/redis/redis.sock?db=0"
    tls = {"TLS_CERT_FILE": f"{platform.data}/tls/cert.pem", "TLS_KEY_FILE": f"{platform.data}/tls/key.pem"}
    with (
        service(
            "store",
            platform.folder,
            LISTEN=store,
            REDIS_URL=redis,
            BODIES_DIR=f"{platform.data}/bodies",
            CLUSTER_KEY=key,
        ),
        service(
            "imap",
            platform.folder,
            LISTEN_IMAPS=f"127.0.0.1:{imaps}",
            STORE_ENDPOINTS=store,
            SERVICE_TOKEN=service_token(key, "imap"),
            **tls,
        ),
    ):

        def reads() -> bool:
            try:
                return platform.subjects(imaps) == ["one"]
            except (OSError, imaplib.IMAP4.error):
                return False

        until(reads, platform.log)
        platform.deliver("two")
        assert platform.subjects(imaps) == ["one", "two"]


def test_bodies_in_s3(tmp_path: Path, minio: MinioServer) -> None:
    platform = Platform(tmp_path)
    keys = {"S3_ACCESS_KEY": minio.ACCESS_KEY, "S3_SECRET_KEY": minio.SECRET_KEY}
    platform.start(S3_ENDPOINT=minio.endpoint, S3_BUCKET="local-platform", **keys)
    try:
        platform.deliver("one")
        assert platform.subjects() == ["one"]
        assert not list((platform.data / "bodies").iterdir())
    finally:
        assert platform.stop() == 0
