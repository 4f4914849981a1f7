"""buuta account import: thousands of accounts from a file.

    line = address "," password      ; an argon2 string ("$argon2id$...") is taken as a hash
A password in double quotes is read as CSV; otherwise all behind the first comma
is the password, commas and spaces included. Empty lines, lines that start with
"#" and a heading "address,password" are passed over.
"""

import csv
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated

import grpc
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from buuta.cli.connection import connect
from buuta.cli.errors import FAILED, CommandError, complain
from buuta.cli.passwords import password
from buuta.client import Client
from buuta.v1.account_pb2 import BatchCreateAccountsRequest

# The API takes 256 entries; hashing takes the store some 30 ms each, so that 64
# keep the bar moving and a request short.
BATCH = 64
IN_FLIGHT = 4
TIMEOUT = 120.0
HEADING = "address,password"

Entry = BatchCreateAccountsRequest.Entry
_ALREADY_EXISTS: int = grpc.StatusCode.ALREADY_EXISTS.value[0]


@dataclass(slots=True)
class Line:
    """One line of the file: an entry, or why it is none."""

    number: int
    address: str
    entry: BatchCreateAccountsRequest.Entry | None
    error: str = ""


@dataclass(slots=True)
class Outcome:
    """What became of the lines so far."""

    created: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)


def parse_line(number: int, text: str) -> Line:
    """One line that is not empty."""
    address, comma, value = text.partition(",")
    address = address.strip()
    if not comma:
        return Line(number, address, None, "there is no comma")
    try:
        if value.startswith('"'):
            (value,) = next(csv.reader([value], strict=True))
        return Line(number, address, Entry(address=address, password=password(value)))
    except CommandError as error:
        return Line(number, address, None, str(error))
    except (csv.Error, ValueError):
        return Line(number, address, None, "the quotes do not match")


def parse_lines(texts: Iterable[str]) -> Iterator[Line]:
    """The lines of a file that say something."""
    for number, raw in enumerate(texts, 1):
        text = raw.rstrip("\r\n")
        if text.strip() and not text.startswith("#") and text.replace(" ", "").lower() != HEADING:
            yield parse_line(number, text)


def _create(client: Client, lines: list[Line], skip_existing: bool) -> Outcome:
    """One batch, and what became of it."""
    outcome = Outcome()
    good = [line for line in lines if line.entry is not None]
    request = BatchCreateAccountsRequest(entries=[line.entry for line in good if line.entry is not None])
    results = client.accounts.BatchCreateAccounts(request).results if good else []
    for line, result in zip(good, results, strict=True):
        if result.code == _ALREADY_EXISTS and skip_existing:
            outcome.skipped += 1
        elif result.code:
            line.error = result.error or "failed"
        else:
            outcome.created += 1
    outcome.failed = [f"line {line.number}: {line.address}: {line.error}" for line in lines if line.error]
    return outcome


def _batches(lines: list[Line]) -> Iterator[list[Line]]:
    rest = iter(lines)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("Importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def import_accounts(
    file: Annotated[
        typer.FileText,
        # Spreadsheets write a byte order mark, which is no part of the first address.
        typer.Argument(encoding="utf-8-sig", help="lines of address,password; - is standard input"),
    ],
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="an address that is taken is no failure")
    ] = False,
) -> None:
    """Create accounts from lines of address,password (or address,$argon2id$...)."""
    try:
        lines = list(parse_lines(file))
    except UnicodeDecodeError:
        raise CommandError(f"{file.name}: not UTF-8") from None
    total = Outcome()
    try:
        with connect(TIMEOUT) as client, _progress() as progress, ThreadPoolExecutor(IN_FLIGHT) as pool:
            task = progress.add_task("", total=len(lines))
            batches = list(_batches(lines))
            done = pool.map(lambda batch: _create(client, batch, skip_existing), batches)
            for batch, outcome in zip(batches, done, strict=True):
                total.created += outcome.created
                total.skipped += outcome.skipped
                total.failed += outcome.failed
                progress.advance(task, len(batch))
    finally:
        for failure in total.failed:
            complain(failure)
        print(f"{total.created} created, {total.skipped} skipped, {len(total.failed)} failed")
        sys.stdout.flush()
    if total.failed:
        raise typer.Exit(FAILED)
