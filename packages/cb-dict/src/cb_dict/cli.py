"""The ``cb-dict`` command: parse, call the library, print."""

from __future__ import annotations

import inspect
from typing import Any

import click

from cb_dict import __version__
from cb_dict.cli_read import COMMANDS as READING
from cb_dict.cli_write import COMMANDS as WRITING
from cb_dict.ending import give_up_output, say

__all__ = ["parse"]

_EXIT_CODES = """\b
Exit codes:
  0 done, found, equal   1 missing, different, out of bounds
  2 wrong usage, or a file that cannot be read   3 the document is not well-formed
  4 the file cannot be changed   130 interrupted
Paths:
  a.b[0]."x.y"  [-1] is the last, [*] all (get, has); /a/b/0 works too (RFC 6901)
"""


class _Commands(click.Group):
    """What click itself would answer with a blank line, or with status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted")
            raise click.exceptions.Exit(130) from None
        except BrokenPipeError:  # whoever read our output has enough
            give_up_output()
            raise click.exceptions.Exit(0) from None


def parse() -> int | None:
    """Read the words of the command line and do what they say; returns a status where click knows one."""
    try:
        status: int | None = commands.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "cb-dict"
        text = " ".join(error.format_message().split())  # click lists choices in lines of their own
        say(f"{text.rstrip('.')} (see {where} --help)")
        return 2
    return status


@click.group(cls=_Commands, name="cb-dict", epilog=_EXIT_CODES)
@click.version_option(__version__, prog_name="cb-dict")
def commands() -> None:
    """Read, change, merge and compare JSON, JSON Lines, JSONC, YAML and TOML by path.

    \b
    Example:
      echo '{"db": {"port": 5432}}' | cb-dict set - db.port 5433
    """


@commands.command(short_help="Run the chapter's recipes.")
@click.argument("name", default="")
@click.option("--source", is_flag=True, help="Print the code, too.")
def recipes(name: str, source: bool) -> None:
    """Run one of the chapter's recipes, or list them.

    \b
    Example:
      cb-dict recipes update
    """
    from cb_dict.recipes import RECIPES

    if not name:
        for one, recipe in RECIPES.items():
            click.echo(f"{one:8} {inspect.getdoc(recipe)}")
        return
    if name not in RECIPES:
        raise click.UsageError(f"no recipe {name!r} (there are: {', '.join(RECIPES)})")
    if source:
        click.echo(inspect.getsource(RECIPES[name]))
    for line in RECIPES[name]():
        click.echo(line)


for _command in (*READING, *WRITING):
    commands.add_command(_command)
