"""buuta domain: the domains for which mail is received."""

from typing import Annotated

import typer

from buuta.cli.connection import connect
from buuta.cli.output import Json, print_rows, time_text
from buuta.cli.passwords import confirm
from buuta.v1.account_pb2 import CreateDomainRequest, DeleteDomainRequest, ListDomainsRequest

app = typer.Typer(help="Domains for which mail is received.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="such as example.test")]


@app.command()
def create(name: Name) -> None:
    """Create a domain."""
    with connect() as client:
        client.accounts.CreateDomain(CreateDomainRequest(name=name))


@app.command("list")
def list_domains(json: Json = False) -> None:
    """List all domains."""
    with connect() as client:
        domains = client.accounts.ListDomains(ListDomainsRequest()).domains
    print_rows(("domain", "created"), ((d.name, time_text(d.create_time)) for d in domains), json)


@app.command()
def delete(name: Name, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
    """Delete a domain that has no accounts."""
    confirm(f"Delete the domain {name}?", yes)
    with connect() as client:
        client.accounts.DeleteDomain(DeleteDomainRequest(name=name))
