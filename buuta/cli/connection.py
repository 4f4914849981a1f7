"""Which store to talk to, and as whom: from the environment."""

import os
import socket
from pathlib import Path

from buuta.cli.errors import NO_PERMISSION, USAGE, CommandError
from buuta.client import Client
from buuta.v1.account_pb2 import Account, GetAccountRequest

DEFAULT_STORE = "127.0.0.1:10051"


def endpoint() -> str:
    """host:port of the store."""
    value = os.environ.get("BUUTA_STORE") or DEFAULT_STORE
    host, _, port = value.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise CommandError(f"BUUTA_STORE must be host:port, not {value!r}", USAGE)
    return value


def addresses() -> list[str]:
    """Every address behind the endpoint's name."""
    host, _, port = endpoint().rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise CommandError(f"{host}: {error.strerror}") from None
    except UnicodeError:
        raise CommandError(f"BUUTA_STORE: {host!r} is no host name", USAGE) from None
    hosts = dict.fromkeys(info[4][0] for info in found)
    return [f"[{name}]:{port}" if ":" in str(name) else f"{name}:{port}" for name in hosts]


def token() -> str:
    """The service token of the role admin."""
    if value := os.environ.get("BUUTA_TOKEN"):
        return _checked(value, "BUUTA_TOKEN")
    data = os.environ.get("BUUTA_DATA") or "./var"
    path = Path(os.environ.get("BUUTA_TOKEN_FILE") or Path(data) / "admin.token")
    try:
        return _checked(path.read_bytes().decode("ascii", "replace"), str(path))
    except OSError as error:
        text = f"no token: set BUUTA_TOKEN or BUUTA_TOKEN_FILE ({path}: {error.strerror})"
        raise CommandError(text, NO_PERMISSION) from None


def _checked(value: str, where: str) -> str:
    """A token is printable ASCII without spaces; gRPC sends nothing else in metadata."""
    value = value.strip()
    if not (value and value.isascii() and value.isprintable() and " " not in value):
        raise CommandError(f"{where} holds no token", NO_PERMISSION)
    return value


def ca_file() -> str | None:
    """Certificates to trust; None: no TLS."""
    return os.environ.get("BUUTA_CA_FILE") or None


def connect(timeout: float = 30.0) -> Client:
    """A client of the store; use it in a `with`."""
    return Client(endpoint(), token(), ca_file=ca_file(), timeout=timeout)


def find_account(client: Client, name: str) -> Account:
    """An account by address (any of its own) or by id."""
    request = GetAccountRequest(address=name) if "@" in name else GetAccountRequest(account=name)
    return client.accounts.GetAccount(request).account


def account_id(client: Client, name: str) -> str:
    """The id of an account named by address or id."""
    return find_account(client, name).id if "@" in name else name
