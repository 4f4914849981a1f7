"""Measures a platform of its own on this machine and prints one table: `python -m bench`."""

import sys
from collections.abc import Callable
from platform import platform as platform_name
from typing import Annotated

import typer

from bench.platform import Platform, running
from bench.report import Row, table
from bench.workloads import beside, bodies, deliver, idle, listing, scan, select

Workload = Callable[[Platform, float], list[Row]]

# Needs more than Buuta: only when it is named.
PEER = "dovecot"

# `scale` 1 is what the goals are judged by; smaller is quicker and noisier.
WORKLOADS: dict[str, Workload] = {
    "deliver": lambda platform, scale: deliver.run(platform, max(int(2000 * scale), 50)),
    "select": lambda platform, scale: select.run(platform, max(int(1000 * scale), 20)),
    "listing": lambda platform, scale: listing.run(platform, max(int(10 * scale), 2)),
    "idle": lambda platform, scale: idle.run(
        platform, max(int(1000 * scale), 100), max(int(200 * scale), 40)
    ),
    "scan": lambda platform, scale: scan.run(max(int(4000 * scale), 100)),
    "bodies": lambda platform, scale: bodies.run(max(int(2000 * scale), 100)),
    PEER: lambda platform, scale: beside.run(platform, max(int(1000 * scale), 100)),
}


def main(
    only: Annotated[
        list[str] | None, typer.Argument(help=f"of: {' '.join(WORKLOADS)}; default: all but {PEER}")
    ] = None,
    scale: Annotated[float, typer.Option(help="share of the full amount of work")] = 1.0,
    port_offset: Annotated[int, typer.Option(help="where the platform listens")] = 30000,
) -> None:
    """Start a platform, run the workloads against it, print the table, stop it."""
    typer.echo(f"Python {sys.version}, {platform_name()}", err=True)
    rows: list[Row] = []
    with running(port_offset) as platform:
        for name in only or [name for name in WORKLOADS if name != PEER]:
            typer.echo(f"{name} ...", err=True)
            rows += WORKLOADS[name](platform, scale)
    typer.echo(table(rows))


typer.run(main)
