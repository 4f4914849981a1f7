"""buuta account: who has mail here."""

from collections.abc import Iterator
from typing import Annotated

import typer

from buuta.cli.account_import import import_accounts
from buuta.cli.connection import account_id, connect, find_account
from buuta.cli.output import Json, print_json, print_rows, time_text
from buuta.cli.passwords import PasswordStdin, confirm, read_password
from buuta.client import Client
from buuta.v1.account_pb2 import (
    Account,
    CreateAccountRequest,
    DeleteAccountRequest,
    ListAccountsRequest,
    SetPasswordRequest,
)

app = typer.Typer(help="Accounts: who has mail here.", no_args_is_help=True)
app.command("import")(import_accounts)

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="an address of the account, or its id")]
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="such as u1@example.test")]
PAGE = 1000


def accounts(client: Client, domain: str) -> Iterator[Account]:
    """All accounts, page by page."""
    token = ""
    while True:
        request = ListAccountsRequest(domain=domain, page_size=PAGE, page_token=token)
        response = client.accounts.ListAccounts(request)
        yield from response.accounts
        token = response.next_page_token
        if not token:
            return


@app.command()
def create(address: Address, password_stdin: PasswordStdin = False) -> None:
    """Create an account."""
    password = read_password(password_stdin)
    with connect() as client:
        client.accounts.CreateAccount(CreateAccountRequest(address=address, password=password))


@app.command("list")
def list_accounts(
    domain: Annotated[str, typer.Option(help="only accounts of this domain")] = "", json: Json = False
) -> None:
    """List accounts."""
    names = ("address", "id", "created", "aliases")
    with connect() as client:
        rows = (
            (a.address, a.id, time_text(a.create_time), list(a.aliases)) for a in accounts(client, domain)
        )
        print_rows(names, rows, json)


@app.command()
def show(account: Name, json: Json = False) -> None:
    """Show one account."""
    with connect() as client:
        found = find_account(client, account)
    values: dict[str, object] = {
        "address": found.address,
        "id": found.id,
        "created": time_text(found.create_time),
        "aliases": list(found.aliases),
    }
    if json:
        print_json(values)
    else:
        print_rows(("field", "value"), values.items())


@app.command()
def delete(account: Name, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
    """Delete an account with all its mail."""
    confirm(f"Delete {account} with all its mail?", yes)
    with connect() as client:
        client.accounts.DeleteAccount(DeleteAccountRequest(account=account_id(client, account)))


@app.command()
def set_password(account: Name, password_stdin: PasswordStdin = False) -> None:
    """Set a new password; every session of the account ends."""
    password = read_password(password_stdin)
    with connect() as client:
        request = SetPasswordRequest(account=account_id(client, account), password=password)
        client.accounts.SetPassword(request)
