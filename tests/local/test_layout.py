"""What a local platform makes for itself: ports, secrets, certificate, lock."""

import os
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.local import certificate, layout
from services.local.layout import CannotStart, Layout, layout_from
from services.store.tokens import service_token


@pytest.fixture
def place(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "var", 10000)
    made.prepare()
    return made


def test_defaults() -> None:
    found = layout_from({})
    assert found == Layout(Path("./var"), 10000)
    ports = [
        found.port(name) for name in ("mx", "submission", "submissions", "pop3", "pop3s", "imap", "imaps")
    ]
    assert ports == [10025, 10587, 10465, 10110, 10995, 10143, 10993]
    assert found.address("store") == "127.0.0.1:10051"


@pytest.mark.parametrize("offset", ["-1", "x", "65000"])
def test_wrong_offset(offset: str) -> None:
    with pytest.raises(CannotStart, match="BUUTA_PORT_OFFSET"):
        layout_from({"BUUTA_PORT_OFFSET": offset})


def test_secrets_are_private_and_stay(place: Layout) -> None:
    key = place.cluster_key()
    assert len(key) == 64
    assert place.cluster_key() == key
    assert stat.S_IMODE((place.data / "cluster.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(place.redis.stat().st_mode) == 0o700


def test_tokens_are_those_of_the_store() -> None:
    assert layout.service_token("a key of the cluster", "imap") == service_token(
        "a key of the cluster", "imap"
    )


def test_certificate(place: Layout) -> None:
    certificate.ensure(place.certificate, place.private_key)
    made = place.certificate.read_bytes()
    certificate.ensure(place.certificate, place.private_key)
    assert place.certificate.read_bytes() == made, "a good one stays"
    assert stat.S_IMODE(place.private_key.stat().st_mode) == 0o600
    context = ssl.create_default_context(cafile=place.certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(place.certificate, place.private_key)
    for name in ("localhost", "127.0.0.1"):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(to_client, to_server, server_hostname=name)
        other = server.wrap_bio(to_server, to_client, server_side=True)
        for side in (client, other, client, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        assert client.version() == "TLSv1.3"


@pytest.mark.parametrize("damage", ["empty certificate", "empty key", "no key", "another key", "garbage"])
def test_a_damaged_certificate_is_made_anew(place: Layout, damage: str) -> None:
    certificate.ensure(place.certificate, place.private_key)
    before = place.certificate.read_bytes()
    match damage:
        case "empty certificate":
            place.certificate.write_bytes(b"")
        case "empty key":
            place.private_key.write_bytes(b"")
        case "no key":
            place.private_key.unlink()
        case "another key":
            pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            place.private_key.write_bytes(pem)
        case "garbage":
            place.certificate.write_bytes(before[:100])
    leftover = place.private_key.with_name("key.pem.new")
    leftover.touch(0o644)
    certificate.ensure(place.certificate, place.private_key)
    assert place.certificate.read_bytes() != before
    assert stat.S_IMODE(place.private_key.stat().st_mode) == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(place.certificate, place.private_key)


def test_taken_port(place: Layout) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        offset = taken.getsockname()[1] - 143
        with pytest.raises(CannotStart, match="BUUTA_PORT_OFFSET"):
            Layout(place.data, offset).check_ports()


def test_one_at_a_time(place: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "LOCK_PATIENCE", 0.0)
    said: list[str] = []
    held = place.lock(said.append)
    holder = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[held])
    os.close(held)
    with pytest.raises(CannotStart, match="in use"):
        place.lock(said.append)  # what a killed supervisor left behind holds it
    assert len(said) == 1
    holder.communicate(b"\n")
    os.close(place.lock(said.append))
    assert len(said) == 1


def test_a_long_path_has_its_socket_elsewhere(tmp_path: Path) -> None:
    short, long = Layout(Path("/v"), 0), Layout(tmp_path / ("x" * 100), 0)
    assert short.redis_socket() == Path("/v/redis/redis.sock")
    elsewhere = long.redis_socket()
    assert len(str(elsewhere)) < layout.MAX_SOCKET_PATH
    assert stat.S_IMODE(elsewhere.parent.stat().st_mode) == 0o700
    elsewhere.touch()
    assert long.redis_socket() == elsewhere, "of one that was killed"
    elsewhere.parent.chmod(0o777)
    with pytest.raises(CannotStart, match="not ours"):
        long.redis_socket()
    long.leave_redis_socket()
    assert not elsewhere.parent.exists()
