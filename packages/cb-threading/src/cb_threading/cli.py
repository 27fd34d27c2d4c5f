"""The ``cb-threading`` command: parse, call the library, print."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from cb_threading import __version__

_EXIT_CODES = """\b
Exit codes:
  0 done   1 some failed, or the answer is no   2 wrong usage, bad list
  3 the disk: full, read-only, not permitted    130 interrupted
"""

_HOMES = {
    "after": "cli_timers",
    "doctor": "cli_toolkit",
    "every": "cli_timers",
    "export": "cli_export",
    "fetch": "cli_fetch",
    "market": "cli_toolkit",
    "race": "cli_toolkit",
    "recipe": "cli_toolkit",
    "verify": "cli_verify",
}


class _Commands(click.Group):
    """Commands that are imported when they are asked for; Ctrl-C and a closed pipe are not click's business."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _HOMES:
            return None
        command: click.Command = getattr(import_module(f"cb_threading.{_HOMES[cmd_name]}"), cmd_name)
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except KeyboardInterrupt:
            raise _Passed(130) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would print a blank line, and make it an exception of its own
            raise _Passed(130) from None
        except BrokenPipeError:
            raise _Passed(0) from None


class _Passed(BaseException):
    """On its way past click."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def parse() -> object:
    """Read the words of the command line and do what they say."""
    try:
        return commands.main(prog_name="cb-threading", standalone_mode=False)
    except _Passed as passed:
        if passed.status:
            raise KeyboardInterrupt from None
        raise BrokenPipeError from None
    except click.Abort:
        raise KeyboardInterrupt from None


@click.group(cls=_Commands, name="cb-threading", epilog=_EXIT_CODES)
@click.version_option(__version__, prog_name="cb-threading")
def commands() -> None:
    """A list of URLs on disk: fast, polite, crash-safe. And the threading recipes that are behind it.

    \b
    Example:
      cb-threading fetch urls.txt -o pages
    """
