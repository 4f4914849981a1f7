"""The secrets of a platform under compose, made at its first start: one folder per service.

It runs in the store's image, before everything else. What is there already stays, so
that own certificates can be put in its place; what is missing is made, and a start that
was cut short is finished by the next one.
"""

import datetime
import ipaddress
import os
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.store.tokens import service_token

ROOT = Path("/secrets")
GROUP = 10001
LIFE = datetime.timedelta(days=3650)


def write(path: Path, text: str) -> None:
    """A file that only root and the services may read, whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.write_text(text)
    new.chmod(0o440)
    os.chown(new, 0, GROUP)
    new.replace(path)


def keep(path: Path, made: str) -> str:
    """What the file says, which is `made` when there was none."""
    if not path.exists():
        write(path, made)
    return path.read_text()


def certificate() -> tuple[str, str]:
    """Self-signed, for localhost, and its private key; PEM."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=private.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(days=1),
        not_valid_after=now + LIFE,
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    key = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.decode(), key.decode()


def main() -> None:
    store = ROOT / "store"
    cluster_key = keep(store / "cluster.key", secrets.token_hex(32))
    for name in ("access.key", "secret.key"):
        write(ROOT / "minio" / name, keep(store / name, secrets.token_hex(20)))
    write(store / "admin.token", service_token(cluster_key, "admin"))
    write(ROOT / "smtp" / "mx.token", service_token(cluster_key, "mx"))
    for service, role in (("smtp", "submission"), ("pop3", "pop3"), ("imap", "imap")):
        write(ROOT / service / "service.token", service_token(cluster_key, role))
    made = certificate()
    for service in ("smtp", "pop3", "imap"):
        folder = ROOT / service
        if not ((folder / "tls.crt").exists() and (folder / "tls.key").exists()):
            write(folder / "tls.key", made[1])
            write(folder / "tls.crt", made[0])


if __name__ == "__main__":
    main()
