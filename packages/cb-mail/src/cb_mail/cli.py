"""The ``cb-mail`` command: parse, call the library, print. Each sub-command is imported when it is used."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Final

import click

from cb_mail import __version__
from cb_mail.cli_options import NoFile, say

_EXIT_CODES: Final = """\b
Exit codes:
  0 all accepted   1 some receivers refused   2 wrong usage, or a file that cannot be read
  65 an address, template, row or message that is not right
  69 server unreachable   75 deferred or unknown: queue list shows them
  76 TLS or protocol   77 login refused   130 interrupted
"""
_COMMANDS: Final = {
    "check": ("cb_mail.cli_check", "Look at a server, an address or a message."),
    "merge": ("cb_mail.cli_merge", "Send a template to every row of a CSV or JSON Lines file."),
    "preview": ("cb_mail.cli_merge", "Show a message: its parts, and what may be wrong with it."),
    "queue": ("cb_mail.cli_queue", "See and send what waits in the spool."),
    "send": ("cb_mail.cli_send", "Send one message."),
    "serve": ("cb_mail.cli_serve", "Catch mail on this machine, and show it in a browser."),
}


class _Commands(click.Group):
    """Sub-commands that are imported when they are asked for, so that ``--help`` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in sorted(_COMMANDS.items())])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted")
            raise click.exceptions.Exit(130) from None
        except BrokenPipeError:  # whoever read our output has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None


def main() -> None:
    """Run the command. Every error is one line and a status; ``CB_DEBUG=1`` shows the traceback behind it."""
    try:
        sys.exit(commands.main(standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        say("interrupted")
        sys.exit(130)
    except NoFile as error:
        say(error.message)
        sys.exit(2)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "cb-mail"
        say(f"{error.format_message().rstrip('.')} (see {path} --help)")
        sys.exit(2)
    except Exception as error:
        status = _status(error)
        if status is None or os.environ.get("CB_DEBUG") == "1":
            raise
        sys.exit(status)


def _status(error: Exception) -> int | None:
    """Say what went wrong; returns the status, or None for what is a mistake of ours."""
    from cb_mail import errors

    if isinstance(error, OSError) and not isinstance(error, errors.MailError):
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 65 if error.filename else 69
    if not isinstance(error, errors.MailError):
        return None
    say(str(error))
    kinds: tuple[tuple[type[Exception], int], ...] = (
        (errors.AuthError, 77),
        (errors.TLSError, 76),
        (errors.ProtocolError, 76),
        (errors.ConnectError, 69),
        (errors.ServerError, 69),
        (errors.SpoolError, 75),
    )
    return next((status for kind, status in kinds if isinstance(error, kind)), 65)


@click.group(cls=_Commands, name="cb-mail", epilog=_EXIT_CODES)
@click.version_option(__version__, prog_name="cb-mail")
def commands() -> None:
    """Correct mail from the shell or a CSV, delivered fast and crash-safely.

    \b
    Example:
      echo 'At noon?' | cb-mail send --from me@example.com --to bob@example.org --subject Lunch --dry-run
    """
