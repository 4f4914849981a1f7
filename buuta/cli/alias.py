"""buuta alias: further addresses of an account."""

from typing import Annotated

import typer

from buuta.cli.connection import account_id, connect
from buuta.v1.account_pb2 import CreateAliasRequest, DeleteAliasRequest

app = typer.Typer(help="Further addresses of accounts.", no_args_is_help=True)

AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="an address of the account, or its id")]
Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="the further address")]


@app.command()
def create(account: AccountName, alias: Alias) -> None:
    """Add a further address to an account."""
    with connect() as client:
        request = CreateAliasRequest(account=account_id(client, account), address=alias)
        client.accounts.CreateAlias(request)


@app.command()
def delete(account: AccountName, alias: Alias) -> None:
    """Remove a further address from an account."""
    with connect() as client:
        request = DeleteAliasRequest(account=account_id(client, account), address=alias)
        client.accounts.DeleteAlias(request)
