"""buuta mailbox: the folders of an account."""

from typing import Annotated

import typer

from buuta.cli.connection import account_id, connect
from buuta.cli.output import Json, print_rows
from buuta.v1.mailbox_pb2 import ListMailboxesRequest, SpecialUse

app = typer.Typer(help="Mailboxes (folders) of an account.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Mailboxes (folders) of an account."""


def special_use(value: SpecialUse.ValueType) -> str:
    """As IMAP writes it (RFC 6154); empty: none."""
    if value == SpecialUse.SPECIAL_USE_UNSPECIFIED or value not in SpecialUse.values():
        return ""
    return "\\" + SpecialUse.Name(value).removeprefix("SPECIAL_USE_").capitalize()


@app.command("list")
def list_mailboxes(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="an address of the account, or its id")],
    json: Json = False,
) -> None:
    """List the mailboxes of an account."""
    names = ("mailbox", "messages", "unseen", "octets", "uidvalidity", "uidnext", "special_use", "subscribed")
    with connect() as client:
        request = ListMailboxesRequest(account=account_id(client, account), counts=True)
        mailboxes = client.mailboxes.ListMailboxes(request).mailboxes
    rows = (
        (
            *(m.name, m.messages, m.unseen, m.size, m.uidvalidity, m.uidnext),
            *(special_use(m.special_use), m.subscribed),
        )
        for m in mailboxes
    )
    print_rows(names, rows, json)
