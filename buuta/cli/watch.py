"""buuta watch: what changes, as it happens."""

import time
from collections.abc import Iterator
from typing import Annotated

import grpc
import typer

from buuta.cli.connection import account_id, connect
from buuta.cli.errors import USAGE, CommandError, complain
from buuta.cli.output import Json, clean, print_json, time_text
from buuta.client import Client
from buuta.columns import u32
from buuta.errors import ApiError, ResourceExhausted, Unavailable
from buuta.v1.change_pb2 import Event, WatchRequest, WatchResponse

RECONNECT_AFTER = 1.0
FORGET_FAILURES_AFTER = 30  # tries in a row without an answer, about half a minute


def responses(client: Client, account: str, token: bytes) -> Iterator[WatchResponse]:
    """The responses of a watch that goes on from its last token when the connection breaks."""
    failures = 0
    while True:
        try:
            for response in client.changes.Watch(WatchRequest(account=account, token=token)):
                token, failures = response.token, 0
                yield response
            failures += 1  # the store ended the stream: it is about to stop
        except (Unavailable, ResourceExhausted) as error:
            failures += 1
            # Without a token there is no way to tell what was missed.
            if not token or failures >= FORGET_FAILURES_AFTER or not _goes_on(error):
                raise
        time.sleep(RECONNECT_AFTER)


def _goes_on(error: ApiError) -> bool:
    return error.code is grpc.StatusCode.UNAVAILABLE or error.reason == "SLOW_CONSUMER"


def event_values(event: Event) -> dict[str, object]:
    """An event without the fields that say nothing."""
    kind = Event.Kind.Name(event.kind) if event.kind in Event.Kind.values() else str(event.kind)
    values: dict[str, object] = {
        "time": time_text(event.time),
        "account": event.account,
        "kind": kind.removeprefix("KIND_").lower(),
        "name": event.name,
        "mailbox": event.mailbox,
        "source_mailbox": event.source_mailbox,
        "uids": u32(event.uids),
        "seq": event.seq,
    }
    return {key: value for key, value in values.items() if value}


def _line(values: dict[str, object]) -> str:
    parts = []
    for key in ("time", "account", "kind", "name", "uids"):
        value = values.get(key, "")
        if key == "name" and not value:
            value = values.get("mailbox", "")
        parts.append(",".join(map(str, value)) if isinstance(value, list) else clean(value))
    return "\t".join(parts).rstrip("\t")


def watch(
    account: Annotated[
        str, typer.Argument(metavar="[ACCOUNT]", help="an address or an id; without it, all accounts")
    ] = "",
    token: Annotated[str, typer.Option(help="go on from this token (hexadecimal), not from now")] = "",
    show_token: Annotated[
        bool, typer.Option("--show-token", help="print each new token on standard error")
    ] = False,
    json: Json = False,
) -> None:
    """Print events as they happen, one a line, until interrupted."""
    try:
        start = bytes.fromhex(token)
    except ValueError:
        raise CommandError("--token is not hexadecimal", USAGE) from None
    with connect() as client:
        owner = account_id(client, account) if account else ""
        for response in responses(client, owner, start):
            for event in response.events:
                values = event_values(event)
                if json:
                    print_json(values)
                else:
                    print(_line(values))
            print(end="", flush=True)
            if show_token:
                complain(f"token {response.token.hex()}")
