"""`python -m buuta.cli` is `buuta`."""

from buuta.cli import app

app(prog_name="buuta")
