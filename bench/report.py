"""Results as rows of one table."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure."""

    what: str
    value: float
    unit: str
    goal: str = ""
    note: str = ""


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table, aligned for reading as it is."""
    cells = [("what", "result", "goal", "note"), ("---", "---:", "---", "---")]
    for row in rows:
        cells.append((row.what, f"{_number(row.value)} {row.unit}", row.goal, row.note))
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = []
    for line in cells:
        padded = [
            cell.rjust(width) if column == 1 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("| " + " | ".join(padded) + " |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which this share of all values lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
