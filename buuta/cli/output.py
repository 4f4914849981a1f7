"""What commands print: a table on a terminal, tab-separated lines when piped, JSON on demand.

Texts from messages are not trusted: control characters never reach the
terminal, and never break a line in two.
"""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="JSON instead of a table")]


def clean(value: object) -> str:
    """A value on one line, without control and direction characters."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp", "Cs"} else c for c in text)


def time_text(time: Timestamp) -> str:
    """A time in UTC, to the second."""
    return time.ToDatetime().strftime("%Y-%m-%dT%H:%M:%SZ")


def print_json(value: Any) -> None:
    """One value, on one line; what is not printable is escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not text.isprintable():
        text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    print(text)


def print_rows(names: Sequence[str], rows: Iterable[Sequence[object]], as_json: bool = False) -> None:
    """Rows with named columns."""
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(clean(_plain(value)) for value in row))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name.upper().replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(_plain(value))) for value in row))
    Console().print(table)


def _plain(value: object) -> object:
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else ""
    return value
