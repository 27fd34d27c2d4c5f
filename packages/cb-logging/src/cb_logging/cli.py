"""The ``cb-logging`` command: its groups of sub-commands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from cb_logging import __version__
from cb_logging.errors import LogError

__all__ = ["commands", "main", "say"]

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


def say(text: str) -> None:
    """A line for people, on stderr."""
    click.echo(f"cb-logging: {text}", err=True)


class _Commands(click.Group):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(_WHERE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _WHERE:
            return None
        command: click.Command = getattr(import_module(f"cb_logging.cli_{_WHERE[cmd_name]}"), f"{cmd_name}_")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None
        except BrokenPipeError:  # whoever read our output has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None


def main() -> None:
    """Run the command. Every error is one line and a status; ``CB_DEBUG=1`` shows the traceback behind it."""
    try:
        sys.exit(commands.main(prog_name="cb-logging", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "cb-logging"
        say(f"{error.format_message().rstrip('.')} (see {path} --help)")
        sys.exit(2)
    except (LogError, OSError) as error:
        if os.environ.get("CB_DEBUG") == "1":
            raise
        if isinstance(error, OSError) and error.filename:
            say(f"{error.filename}: {error.strerror} (look at the name and the rights)")
        else:
            say(str(error))
        sys.exit(2)


@click.group(cls=_Commands, name="cb-logging", epilog=_EPILOG)
@click.version_option(__version__, prog_name="cb-logging")
def commands() -> None:
    """Read logs as records, and set up, try and check what writes them.

    \b
    Example:
      cb-logging cat --level ERROR --since 15m app.log
    """
