"""buuta status: whether every store behind the endpoint answers and serves."""

import time

import grpc
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from buuta.cli.connection import addresses, ca_file, endpoint
from buuta.cli.errors import TEMPORARY
from buuta.cli.output import Json, print_rows
from buuta.client import open_channel

TIMEOUT = 5.0


def check(address: str) -> tuple[str, str, int]:
    """One store: its address, its state and the time of the answer in milliseconds."""
    host = endpoint().rpartition(":")[0]
    started = time.monotonic()
    with open_channel(address, ca_file(), name=host) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT)
            state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        except grpc.RpcError as failure:
            state = failure.code().name
    return address, state.lower(), round((time.monotonic() - started) * 1000)


def status(json: Json = False) -> None:
    """Show the health of every store behind BUUTA_STORE."""
    rows = [check(address) for address in addresses()]
    print_rows(("store", "state", "milliseconds"), rows, json)
    if any(state != "serving" for _, state, _ in rows):
        raise typer.Exit(TEMPORARY)
