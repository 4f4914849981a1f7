"""A self-signed certificate for this machine, which clients can be told to trust."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.local.layout import HOST, CannotStart, write_private, write_whole

LIFE = datetime.timedelta(days=800)
RENEW_BEFORE = datetime.timedelta(days=30)


def ensure(certificate: Path, key: Path) -> None:
    """Make certificate and key, unless good ones are there."""
    if _good(certificate, key):
        return
    private = ec.generate_private_key(ec.SECP256R1())
    made = _certificate(private)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(key, pem.decode())
    write_whole(certificate, made.public_bytes(serialization.Encoding.PEM).decode(), 0o644)


def _good(certificate: Path, key: Path) -> bool:
    """Whether both are there, whole and of each other, and the certificate stays valid for a while."""
    try:
        there = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (FileNotFoundError, ValueError):
        return False
    except TypeError:  # of somebody else's: it is not replaced
        raise CannotStart(f"{key} needs a password, which there is no way to give") from None
    return there.public_key() == private.public_key() and there.not_valid_after_utc - _now() > RENEW_BEFORE


def _certificate(private: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))]
    usage = x509.KeyUsage(True, False, False, False, False, True, False, False, False)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName(names), False),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (usage, True),  # digital signatures, certificate signing
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(private.public_key()), False),
    ]
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=private.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=_now() - datetime.timedelta(days=1),
        not_valid_after=_now() + LIFE,
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(private, hashes.SHA256())


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
