"""The command: parse, call the library, print."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from cb_csv import __version__
from cb_csv.cli_options import say
from cb_csv.errors import CsvError

__all__ = ["commands", "main"]

_EXIT_CODES = """\b
Exit codes:
  0 done   1 faults found, or columns that do not match
  2 wrong usage, or a file that cannot be read or written   130 interrupted
"""


_READ = ("detect", "check", "cat", "dicts", "stats", "split")
_WRITE = ("convert", "write", "append", "enter")


class _Commands(click.Group):
    """Imports a command when it is asked for, and ends where click would with a blank line, or with status 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click gives it
        return sorted(_READ + _WRITE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _READ + _WRITE:
            return None
        module = import_module(f"cb_csv.cli_{'read' if cmd_name in _READ else 'write'}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted (files are as they were)")
            raise click.exceptions.Exit(130) from None
        except BrokenPipeError:  # whoever read our output has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None


def main() -> None:
    """Run the command. Every error is one line and a status; ``CB_DEBUG=1`` shows the traceback behind it."""
    try:
        sys.exit(commands.main(prog_name="cb-csv", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        say("interrupted (files are as they were)")
        sys.exit(130)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "cb-csv"
        say(f"{error.format_message().rstrip('.')} (see {path} --help)")
        sys.exit(2)
    except (CsvError, OSError, UnicodeEncodeError) as error:
        if os.environ.get("CB_DEBUG") == "1":
            raise
        sys.exit(_status(error))


def _status(error: CsvError | OSError | UnicodeEncodeError) -> int:
    """Say what happened; 1 where it is in the data, 2 where it is in the world."""
    if isinstance(error, CsvError):
        say(str(error))
        return 1
    if isinstance(error, OSError):
        say(f"{error.filename}: {error.strerror} (look at the name and the rights)" if error.filename else str(error))
    else:
        bad = error.object[error.start : error.end]
        say(f"{bad[:20]!r} cannot be written in {error.encoding} (write utf-8, or another encoding that has it)")
    return 2


@click.group(cls=_Commands, name="cb-csv", epilog=_EXIT_CODES)
@click.version_option(__version__, prog_name="cb-csv")
def commands() -> None:
    """Trust a delimited file that somebody else made.

    \b
    Example:
      printf 'name;price\\nJohn;1,5\\n' | cb-csv convert
    """
