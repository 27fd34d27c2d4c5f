"""The ``cb-logging`` command: its groups of sub-commands, and what becomes of errors."""

from __future__ import annotations

from importlib import import_module
from typing import NoReturn

import click

from cb_logging import __version__
from cb_logging.ending import ends, say

__all__ = ["commands", "parse"]

_MODULES = {
    "read": ("cat", "tail", "stats"),
    "tell": ("levels", "handlers", "attributes", "format", "check"),
    "do": ("send", "run", "recover", "contacts", "demo"),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}
_EPILOG = """\b
Exit codes:
  0 done, found   1 nothing matched, or some failed
  2 wrong usage, or input that cannot be read   130 interrupted
"""


class _Commands(click.Group):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(_WHERE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _WHERE:
            return None
        command: click.Command = getattr(import_module(f"cb_logging.cli_{_WHERE[cmd_name]}"), f"{cmd_name}_")
        return command

    def invoke(self, ctx: click.Context) -> NoReturn:
        raise click.exceptions.Exit(ends(lambda: super(_Commands, self).invoke(ctx)))


def parse() -> int:
    """Find out what is wanted, run it, and return the status."""
    try:
        status = commands.main(prog_name="cb-logging", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.Abort:  # pragma: no cover - Ctrl-C in the moment in which click takes the arguments apart
        return 130
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "cb-logging"
        say(f"{error.format_message().rstrip('.')} (see {path} --help)")
        return 2


@click.group(cls=_Commands, name="cb-logging", epilog=_EPILOG)
@click.version_option(__version__, prog_name="cb-logging")
def commands() -> None:
    """Read logs as records, and set up, try and check what writes them.

    \b
    Example:
      cb-logging cat --level ERROR --since 15m app.log
    """
