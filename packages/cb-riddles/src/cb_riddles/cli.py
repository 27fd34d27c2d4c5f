"""The ``cb-riddles`` command: parse, call the library, print."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from cb_riddles import __version__, cli_files, cli_play, cli_site
from cb_riddles.errors import Refused

_EXIT_CODES = """\b
Exit codes:
  0 done   1 wrong data, or a wrong answer
  2 wrong usage, or a file that cannot be read
  3 the folder, the database or the port is not to be had   130 interrupted
"""


class _Commands(click.Group):
    """Ends where click would with a blank line, or with status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(_said("interrupted", 130)) from None
        except BrokenPipeError:  # whoever reads has enough; nothing is flushed into the closed pipe at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


@click.group(cls=_Commands, epilog=_EXIT_CODES)
@click.version_option(__version__, prog_name="cb-riddles")
@click.option("--data", type=click.Path(file_okay=False), help="The data folder (CB_RIDDLES_DATA).")
def commands(data: str | None) -> None:
    """Publish riddles: a site in one command, whose pages tell no answer before it is given.

    \b
    Example:
      cb-riddles serve --sample
    """
    if data:
        os.environ["CB_RIDDLES_DATA"] = str(Path(data).absolute())


for _command in (*cli_site.COMMANDS, *cli_files.COMMANDS, *cli_play.COMMANDS):
    commands.add_command(_command)


def main() -> None:
    """Run the command; what is wrong is one line on stderr."""
    status: int | None
    try:
        status = commands.main(prog_name="cb-riddles", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        status = 2
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "cb-riddles"
        status = _said(f"{error.format_message().rstrip('.')} (see {path} --help)", 2)
    except Refused as error:
        status = _said(str(error), error.status)
    except click.Abort:
        status = _said("interrupted", 130)
    sys.exit(status)


def _said(what: str, status: int) -> int:
    click.echo(f"cb-riddles: {what}", err=True)
    return status
