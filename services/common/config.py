"""Settings: each is declared once, read from the environment, and printed into the docs from here.

A service declares a frozen dataclass whose fields are settings; the variable has
the field's name in upper case. `load` reads them all before anything starts, so
that a service never runs on half a configuration. An empty variable counts as
not set, unless its kind has a meaning for it ("off"). A secret that is not set may
be in a file that the variable with _FILE behind its name names.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_KEY = "buuta.setting"
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_TIMES = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True}
_BOOLEANS |= {"false": False, "0": False, "no": False, "off": False}


class SettingError(Exception):
    """One setting is missing or malformed; the text is one line that names it."""


class Secret(str):
    """A text that logs and representations never show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"


class Address(NamedTuple):
    """Where something listens or is reached."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A type of settings: how its text is read; `parse` raises ValueError."""

    name: str
    parse: Callable[[str], T]
    takes_empty: bool = False  # an empty value means something


@dataclass(frozen=True, slots=True)
class Setting:
    """What is declared of one setting."""

    kind: Kind[Any]
    default: str | None  # as one would write it; None: the setting is required
    help: str
    example: str


def setting(kind: Kind[T], default: str | None, help: str, example: str = "") -> T:
    """Declare a setting as a field of a settings class."""
    metadata = {_KEY: Setting(kind, default, help, example)}
    if default is None:
        required: T = field(metadata=metadata)
        return required
    return field(default_factory=lambda: kind.parse(default), metadata=metadata)


# -- kinds ------------------------------------------------------------------------------


def _size(text: str) -> int:
    """A number of octets: 1000, 64K, 50M, 2G."""
    unit = text[-1:].upper() if not text[-1:].isdigit() else ""
    digits = text[: len(text) - len(unit)]
    if not digits.isdecimal() or unit not in _UNITS:
        raise ValueError("a number of octets with an optional K, M, G or T is needed")
    return int(digits) * _UNITS[unit]


def _seconds(text: str) -> float:
    """A length of time: 30, 1.5, 15m, 24h, 30d."""
    unit = text[-1:] if text[-1:].isalpha() else ""
    if unit not in _TIMES:
        raise ValueError("a number of seconds, or one with s, m, h or d, is needed")
    value = float(text[: len(text) - len(unit)]) * _TIMES[unit]
    if not 0 <= value < float("inf"):
        raise ValueError("a length of time cannot be negative or without end")
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError("true or false is needed")
    return _BOOLEANS[text.lower()]


def _integer(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("a whole number is needed")
    return int(text)


def parse_address(text: str) -> Address:
    """host:port, an IPv6 address in square brackets."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        ipaddress.IPv6Address(host)
    elif ":" in host:
        raise ValueError("an IPv6 address stands in square brackets: [::1]:143")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("host:port is needed")
    return Address(host, int(port))


def _listen(text: str) -> Address | None:
    return parse_address(text) if text else None


def parse_addresses(text: str) -> tuple[Address, ...]:
    """host:port[,host:port…]."""
    found = tuple(parse_address(word) for word in _words(text))
    if not found:
        raise ValueError("host:port[,host:port…] is needed")
    return found


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in _words(text))


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def choice(*values: str) -> Kind[str]:
    """One of some words."""

    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(f"one of {', '.join(values)} is needed")
        return text

    return Kind(" / ".join(values), parse)


TEXT: Kind[str] = Kind("text", str, takes_empty=True)
HOST_NAME: Kind[str] = Kind("host name", lambda text: text or socket.gethostname())
INTEGER: Kind[int] = Kind("number", _integer)
SIZE: Kind[int] = Kind("octets", _size)
SECONDS: Kind[float] = Kind("seconds", _seconds)
BOOLEAN: Kind[bool] = Kind("true / false", _boolean)
LISTEN: Kind[Address | None] = Kind("host:port or empty", _listen, takes_empty=True)
ADDRESS: Kind[Address] = Kind("host:port", parse_address)
ADDRESSES: Kind[tuple[Address, ...]] = Kind("list of host:port", parse_addresses)
PATH: Kind[Path | None] = Kind("path or empty", _path, takes_empty=True)
SECRET: Kind[Secret] = Kind("secret", Secret)
LIST: Kind[tuple[str, ...]] = Kind("list", _words, takes_empty=True)
NETWORKS: Kind[tuple[Network, ...]] = Kind("list of networks", _networks, takes_empty=True)


# -- settings that services share -------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """Settings of every service."""

    hostname: str = setting(
        HOST_NAME,
        "",
        "This server's name in greetings and trace fields; empty: the machine's",
        "mx.example.org",
    )
    log_format: str = setting(choice("json", "console"), "json", "How logs are written to standard error")
    log_level: str = setting(choice("debug", "info", "warning", "error"), "info", "The least that is logged")
    metrics_listen: Address | None = setting(
        LISTEN, "", "HTTP with /metrics, /healthz and /readyz; empty: off", "0.0.0.0:9090"
    )
    drain_seconds: float = setting(
        SECONDS, "25", "After SIGTERM, what is at work may take this long; then it is cut"
    )


@dataclass(frozen=True, kw_only=True)
class FrontEndSettings(CommonSettings):
    """Settings of the services that mail clients and other servers talk to."""

    store_endpoints: tuple[Address, ...] = setting(
        ADDRESSES, None, "The stores; a name stands for all of its addresses", "store:10051"
    )
    service_token: Secret = setting(SECRET, None, "This service's token for the store", "imap:5f1c…")
    store_timeout: float = setting(SECONDS, "20", "A call of the store may take this long, repeats included")
    tls_cert_file: Path | None = setting(
        PATH, "", "Certificate chain, PEM, re-read when it changes; empty: no TLS", "/tls/tls.crt"
    )
    tls_key_file: Path | None = setting(PATH, "", "Its private key, PEM", "/tls/tls.key")
    allow_plaintext_auth: bool = setting(BOOLEAN, "false", "Take passwords without TLS; for tests only")
    trusted_proxies: tuple[Network, ...] = setting(
        NETWORKS, "", "Networks of proxies that must send a PROXY header", "10.0.0.0/8,fd00::/8"
    )
    max_connections: int = setting(INTEGER, "20000", "Connections of this process")
    max_connections_per_ip: int = setting(INTEGER, "1000", "Connections of one client address")


# -- reading and printing ---------------------------------------------------------------

S = TypeVar("S", bound=CommonSettings)


def declared(cls: type[CommonSettings]) -> Iterator[tuple[str, str, Setting]]:
    """Field name, variable and declaration of every setting of a class."""
    for each in fields(cls):
        if _KEY in each.metadata:
            yield each.name, each.name.upper(), each.metadata[_KEY]


def load(cls: type[S], environ: Mapping[str, str]) -> S:
    """Read all settings of a class; SettingError for the first that is missing or malformed."""
    values: dict[str, Any] = {}
    for name, variable, declaration in declared(cls):
        text = environ.get(variable)
        if not text and declaration.kind is SECRET:
            text = _from_file(environ, f"{variable}_FILE")
        if text is None or (not text and not declaration.kind.takes_empty):
            if declaration.default is None:
                raise SettingError(f"{variable} is not set: {declaration.help}")
            text = declaration.default
        try:
            values[name] = declaration.kind.parse(text)
        except ValueError as error:
            shown = "" if declaration.kind is SECRET else f" {text!r}"
            raise SettingError(f"{variable} is malformed:{shown}: {error}") from None
    return cls(**values)


def _from_file(environ: Mapping[str, str], variable: str) -> str | None:
    """The content of the file that a variable names, without the end of its line."""
    if not (name := environ.get(variable)):
        return None
    try:
        return Path(name).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingError(f"{variable} is malformed: {name!r}: {reason}") from None


def table(cls: type[CommonSettings]) -> str:
    """The settings of a class as a Markdown table."""
    lines = ["| variable | type | default | meaning | example |", "|---|---|---|---|---|"]
    for _, variable, declaration in declared(cls):
        default = "required" if declaration.default is None else _code(declaration.default)
        cells = (
            f"`{variable}`",
            declaration.kind.name,
            default,
            declaration.help,
            _code(declaration.example),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
