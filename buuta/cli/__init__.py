"""The command `buuta`: administration by the API alone, one file per noun.

It is configured by the environment (`connection.py`); every failure ends as one line on standard
error and an exit code (`errors.py`).
"""

import typer

from buuta.cli import account, alias, domain, mailbox, message, status, watch
from buuta.cli.errors import OneLineErrors

HELP = """Administration of a Buuta mail platform, through its API.

\b
BUUTA_STORE       host:port of a store (default 127.0.0.1:10051)
BUUTA_TOKEN       service token of the role admin; or
BUUTA_TOKEN_FILE  a file with it (default ${BUUTA_DATA:-./var}/admin.token)
BUUTA_CA_FILE     certificates to trust; set it when the store serves TLS

Exit codes: 1 refused, 2 wrong usage, 75 try again later, 77 not allowed.
"""

app = typer.Typer(
    name="buuta",
    cls=OneLineErrors,
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(domain.app, name="domain")
app.add_typer(account.app, name="account")
app.add_typer(alias.app, name="alias")
app.add_typer(mailbox.app, name="mailbox")
app.add_typer(message.app, name="message")
app.command("watch")(watch.watch)
app.command("status")(status.status)
