"""Certificates: read again when their files change, kept when what is new does not fit."""

import dataclasses
import os
import ssl
from pathlib import Path

import pytest
import trustme

from services.common.config import FrontEndSettings, Secret, SettingError
from services.common.tls import Certificate, configured


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def issue(authority: trustme.CA, folder: Path, name: str) -> None:
    """Put a certificate for `name` in place, as a rotation does: by renaming."""
    issued = authority.issue_cert(name)
    for file, blob in (("key.pem", issued.private_key_pem), ("cert.pem", issued.cert_chain_pems[0])):
        blob.write_to_path(folder / f"new-{file}")
        os.replace(folder / f"new-{file}", folder / file)


def shown(context: ssl.SSLContext, authority: trustme.CA, name: str) -> bool:
    """Whether a client that wants `name` accepts what a server with this context shows."""
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(5):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return client.version() is not None


def test_new_files_hold_for_new_handshakes(tmp_path: Path, authority: trustme.CA) -> None:
    issue(authority, tmp_path, "one.example.test")
    certificate = Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    assert shown(certificate.context, authority, "one.example.test")
    assert not certificate.reload()
    issue(authority, tmp_path, "two.example.test")
    assert certificate.reload()
    assert shown(certificate.context, authority, "two.example.test")
    assert not shown(certificate.context, authority, "one.example.test")


def test_files_that_do_not_fit_change_nothing(tmp_path: Path, authority: trustme.CA) -> None:
    issue(authority, tmp_path, "one.example.test")
    certificate = Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    (tmp_path / "other").mkdir()
    issue(authority, tmp_path / "other", "two.example.test")
    os.replace(tmp_path / "other/cert.pem", tmp_path / "cert.pem")
    assert not certificate.reload()
    assert shown(certificate.context, authority, "one.example.test")
    os.replace(tmp_path / "other/key.pem", tmp_path / "key.pem")
    assert certificate.reload(), "the second half of a rotation is not missed"
    assert shown(certificate.context, authority, "two.example.test")


def test_files_that_are_gone_change_nothing(tmp_path: Path, authority: trustme.CA) -> None:
    issue(authority, tmp_path, "one.example.test")
    certificate = Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    (tmp_path / "cert.pem").unlink()
    assert not certificate.reload()
    assert shown(certificate.context, authority, "one.example.test")


def test_old_tls_is_refused(tmp_path: Path, authority: trustme.CA) -> None:
    issue(authority, tmp_path, "one.example.test")
    certificate = Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    assert certificate.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_settings(tmp_path: Path) -> None:
    plain = FrontEndSettings(store_endpoints=(), service_token=Secret("x"))
    assert configured(plain) is None
    half = dataclasses.replace(plain, tls_cert_file=tmp_path / "cert.pem")
    with pytest.raises(SettingError, match="TLS_KEY_FILE"):
        configured(half)
