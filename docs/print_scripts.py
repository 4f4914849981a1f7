"""Writes the table of scripts in docs/redis.md anew, from the comments at the heads of the scripts.

python docs/print_scripts.py

A head is the script's purpose, and behind it what is in KEYS and ARGV, the
reply and the errors, each behind its word.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "redis.md"
SCRIPTS = ROOT / "services" / "store" / "index" / "lua"
BEGIN = "<!-- from here to the end of the table: python docs/print_scripts.py -->\n"
END = "<!-- end of the table -->\n"
COLUMNS = ("script", "what it does", "KEYS[1]", "its own ARGV", "reply", "errors")
# A word that begins a new part: at the start of a line, or behind " · ".
PART = re.compile(r"(?:^|\n| · )(KEYS\[1\]|own|ARGV|reply|errors)(?:: | )", re.ASCII)
ACCOUNT = "SHARD:a:<account>"


def head(script: Path) -> str:
    """The comment at the top of a script."""
    lines = []
    for line in script.read_text().splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return "\n".join(lines)


def row(script: Path) -> tuple[str, ...]:
    """One line of the table."""
    purpose, *rest = PART.split(head(script))
    parts = dict(zip(rest[::2], rest[1::2], strict=True))
    key, comma, where = parts.get("KEYS[1]", ACCOUNT).replace("{s0421}", "SHARD").partition(",")
    own = parts.get("own") or parts.get("ARGV", "")
    key = f"`{key.strip()}`{comma}{where}"
    return f"`{script.stem}`", purpose, key, own, parts.get("reply", ""), parts.get("errors", "")


def cell(text: str) -> str:
    """A text as a table of Markdown takes it."""
    text = re.sub(r"<(\w+)>", lambda found: found[1].upper(), text)
    return " ".join(text.split()).replace("|", "\\|").replace("''", "`''`")


def table() -> str:
    scripts = sorted(path for path in SCRIPTS.glob("*.lua") if not path.name.startswith("_"))
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(row, scripts)]
    return "".join("| " + " | ".join(map(cell, each)) + " |\n" for each in rows)


def page() -> str:
    """The whole page with a new table."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page())
