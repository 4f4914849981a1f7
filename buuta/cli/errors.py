"""How the command line fails: one line on standard error, an exit code, never a traceback.

Exit codes: 1 the store refused, or part of the work failed; 2 wrong usage;
75 temporary, try again (EX_TEMPFAIL); 77 the token is missing or not enough
(EX_NOPERM).
"""

import io
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from buuta.cli.output import clean
from buuta.errors import ApiError, PermissionDenied, Unauthenticated, Unavailable

FAILED = 1
USAGE = 2
TEMPORARY = 75
NO_PERMISSION = 77


class CommandError(Exception):
    """A failure that this program found by itself."""

    def __init__(self, text: str, exit_code: int = FAILED) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def exit_code(error: ApiError) -> int:
    """What the shell is told."""
    if isinstance(error, Unavailable):
        return TEMPORARY
    if isinstance(error, Unauthenticated | PermissionDenied):
        return NO_PERMISSION
    return FAILED


def complain(text: str) -> None:
    """One line on standard error, whatever is in the text."""
    print("buuta: " + " ".join(clean(text).split()), file=sys.stderr)


class OneLineErrors(TyperGroup):
    """The one place where failures become a line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # texts from messages, in any locale
        try:
            return super().invoke(ctx)
        except ApiError as error:
            complain(f"{error.text} ({error.reason})" if error.reason else error.text)
            raise typer.Exit(exit_code(error)) from None
        except CommandError as error:
            complain(str(error))
            raise typer.Exit(error.exit_code) from None
        except UnicodeError:  # its own text would repeat a password
            complain("an argument is not UTF-8")
            raise typer.Exit(USAGE) from None
        except BrokenPipeError:
            raise  # the reader of our output has gone: typer ends quietly
        except OSError as error:
            complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
            raise typer.Exit(FAILED) from None
