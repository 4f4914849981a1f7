"""Where passwords come from: standard input or a prompt, never the command line."""

import getpass
import sys
from typing import Annotated

import typer

from buuta.cli.errors import USAGE, CommandError
from buuta.v1.account_pb2 import Password

HASH_PREFIX = "$argon2"

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="read the password from the first line of standard input")
]


def password(value: str) -> Password:
    """A password as the API takes it; an argon2 string is one that is hashed already."""
    if not value:
        raise CommandError("the password is empty", USAGE)
    if value.startswith(HASH_PREFIX):
        return Password(hash=value)
    return Password(clear=value)


def read_password(from_stdin: bool) -> Password:
    """One new password, from the first line of standard input or asked for twice."""
    if from_stdin:
        try:
            return password(sys.stdin.buffer.readline().decode().rstrip("\r\n"))
        except UnicodeDecodeError:
            raise CommandError("the password is not UTF-8", USAGE) from None
    if not sys.stdin.isatty():
        raise CommandError("no terminal to ask on: use --password-stdin", USAGE)
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise CommandError("the passwords differ", USAGE)
    return password(first)


def confirm(question: str, yes: bool) -> None:
    """Go on only with --yes, or when a person says so."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("no terminal to ask on: use --yes", USAGE)
    typer.confirm(question, abort=True)
