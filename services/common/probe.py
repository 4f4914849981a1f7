"""`python -m services.common.probe`: is the service of this container answering in its own protocol?

It reads the same environment as the service. Every LISTEN_* must greet (inside
TLS where it is implicit); without any, the store's gRPC health check must say
that it serves, or, for a store that serves no API, /healthz that it lives.
Exit code 0 or 1, with one line that says why. It runs again and again in every
container, so it loads what is large only where it needs it.
"""

import ipaddress
import os
import socket
import ssl
import sys
import time
from collections.abc import Mapping

from services.common.config import NETWORKS, Address, parse_address

TIMEOUT = 4.0
DEFAULT_STORE = "127.0.0.1:10051"
GREETINGS = {"SMTP": b"220", "POP3": b"+OK", "IMAP": b"* OK"}
# Listener -> protocol; those in IMPLICIT_TLS speak TLS from the first octet.
LISTENERS = {
    "LISTEN_MX": "SMTP",
    "LISTEN_SUBMISSION": "SMTP",
    "LISTEN_SUBMISSIONS": "SMTP",
    "LISTEN_POP3": "POP3",
    "LISTEN_POP3S": "POP3",
    "LISTEN_IMAP": "IMAP",
    "LISTEN_IMAPS": "IMAP",
}
IMPLICIT_TLS = {"LISTEN_SUBMISSIONS", "LISTEN_POP3S", "LISTEN_IMAPS"}
# What a proxy says that speaks for itself (PROXY protocol §2.1).
PROXY_HEADER = b"PROXY UNKNOWN\r\n"


class Unhealthy(Exception):
    """Why the service is not well."""


def local(address: Address) -> Address:
    """Where a process on this machine reaches what listens at `address`."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
    return Address(host, address.port)


def greets(address: Address, greeting: bytes, tls: bool, proxied: bool) -> None:
    """Raise Unhealthy unless the listener greets."""
    with socket.create_connection(local(address), TIMEOUT) as plain:
        if proxied:
            plain.sendall(PROXY_HEADER)
        if not tls:
            said = plain.recv(512)
        else:
            time.sleep(0.05 if proxied else 0)  # the header comes in a read of its own
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain) as secure:
                said = secure.recv(512)
    if not said.startswith(greeting):
        raise Unhealthy(f"{address} does not greet")


def serves(address: Address) -> None:
    """Raise Unhealthy unless the gRPC server at `address` says that it serves."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    try:
        with grpc.insecure_channel(str(local(address)), [("grpc.enable_http_proxy", 0)]) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT)
    except grpc.RpcError as error:
        raise Unhealthy(error.code().name) from None
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise Unhealthy(f"{address} does not serve")


def lives(address: Address) -> None:
    """Raise OSError unless /healthz says that the process lives."""
    import urllib.request

    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        f"http://{local(address)}/healthz", timeout=TIMEOUT
    ).close()


def check(environ: Mapping[str, str]) -> None:
    """Raise Unhealthy, OSError, or ValueError for an environment that says nothing."""
    networks = NETWORKS.parse(environ.get("TRUSTED_PROXIES", ""))
    found = [(name, environ[name]) for name in LISTENERS if environ.get(name)]
    for name, text in found:
        address = parse_address(text)
        proxied = any(ipaddress.ip_address(local(address).host) in network for network in networks)
        greets(address, GREETINGS[LISTENERS[name]], name in IMPLICIT_TLS, proxied)
    if found:
        return
    if "api" in environ.get("ROLES", "api"):
        serves(parse_address(environ.get("LISTEN") or DEFAULT_STORE))
    else:
        lives(parse_address(environ.get("METRICS_LISTEN", "")))


def main() -> None:
    try:
        check(os.environ)
    except (Unhealthy, OSError, ValueError) as error:
        sys.exit(f"unhealthy: {error}")


if __name__ == "__main__":
    main()
