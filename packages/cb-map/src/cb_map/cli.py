"""The ``cb-map`` command: parse, call the library, print."""

from __future__ import annotations

import sys
from typing import Any

import click

from cb_map import __version__
from cb_map.cli_apply import apply, zip_files
from cb_map.cli_join import attach_rows, latest_rows
from cb_map.ending import say
from cb_map.options import FILES, MISSING, Command, Fields, on_error, stream_options

_EXIT_CODES = """\b
Exit codes:
  0 done   1 some records were bad, or reading or writing failed
  2 wrong usage, or a file that is not there   130 interrupted
"""


class _Interrupted(BaseException):
    """A KeyboardInterrupt, on its way past click."""


class _Commands(click.Group):
    """What click itself would answer with a blank line, or with status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would print a blank line, and make it an exception of its own
            raise _Interrupted from None
        except BrokenPipeError:  # whoever read our output has enough
            raise click.exceptions.Exit(0) from None


def parse() -> int | None:
    """Read the words of the command line and do what they say; returns a status where click knows one."""
    try:
        status: int | None = commands.main(prog_name="cb-map", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "cb-map"
        say(f"{error.format_message().rstrip('.')} (see {path} --help)")
        return 2
    except (_Interrupted, click.Abort):
        raise KeyboardInterrupt from None
    return status


@click.group(cls=_Commands, name="cb-map", epilog=_EXIT_CODES)
@click.version_option(__version__, prog_name="cb-map")
def commands() -> None:
    """Map records: pick, omit, rename, redact, attach, or apply Python, on as many cores as you like.

    Reads and writes JSON Lines, JSON, CSV and TSV, as streams. What a command does not touch keeps its bytes.

    \b
    Example:
      echo '{"name": "admin", "salt": "0198234nva"}' | cb-map omit salt
    """


def _run(transform: Any, options: dict[str, Any]) -> None:
    from cb_map.running import Settings, run_transform

    run_transform(Settings(**options), transform)


@commands.command(cls=Command, short_help="Keep only these fields.")
@click.argument("fields", type=Fields())
@FILES
@click.option("--missing", type=MISSING, default="null", show_default=True, help="What an absent field becomes.")
@stream_options
def pick(fields: tuple[str, ...], missing: Any, **options: Any) -> None:
    """Keep only FIELDS, paths with commas between them, in this order.

    \b
    Example:
      echo '{"id": 1, "user": {"name": "a", "age": 3}}' | cb-map pick id,user.name
    """
    from cb_map.transforms import pick as transform

    try:
        made = transform(*fields, missing=missing)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="FIELDS") from None
    _run(made, options)


@commands.command(cls=Command, short_help="Leave these fields out.")
@click.argument("fields", type=Fields())
@FILES
@click.option("--strict", is_flag=True, help="A record without one of them is bad.")
@stream_options
def omit(fields: tuple[str, ...], strict: bool, **options: Any) -> None:
    """Leave out FIELDS, paths with commas between them; ``**.name`` is a name at any depth, ``*secret*`` a pattern.

    A field that is added to the data later stays in. To be safe against that, use pick.

    \b
    Example:
      echo '{"name": "admin", "salt": "x", "db": {"password": "y"}}' | cb-map omit 'salt,**.*password*'
    """
    from cb_map.transforms import omit as transform

    _run(_made(transform, *fields, missing="raise" if strict else "skip"), options)


@commands.command(cls=Command, short_help="Hide the values of these fields.")
@click.argument("fields", type=Fields())
@FILES
@click.option("--with", "with_", default="***", show_default=True, help="What stands in their place.")
@click.option("--strict", is_flag=True, help="A record without one of them is bad.")
@stream_options
def redact(fields: tuple[str, ...], with_: str, strict: bool, **options: Any) -> None:
    """Put *** in the place of the values of FIELDS, paths with commas between them.

    \b
    Example:
      echo '{"id": 1, "card": {"number": "4111"}}' | cb-map redact card.number
    """
    from cb_map.transforms import redact as transform

    _run(_made(transform, *fields, with_=with_, missing="raise" if strict else "skip"), options)


@commands.command(cls=Command, short_help="Give fields new names.")
@click.argument("names", metavar="OLD=NEW[,OLD=NEW]...")
@FILES
@click.option("--strict", is_flag=True, help="A record without one of the old names is bad.")
@stream_options
def rename(names: str, strict: bool, **options: Any) -> None:
    """Give fields new names; they keep their place and their value.

    \b
    Example:
      echo '{"product_id": 1, "price": {"amt": 1.10}}' | cb-map rename product_id=id,price.amt=amount
    """
    from cb_map.transforms import rename as transform

    pairs = [pair.partition("=") for pair in names.split(",")]
    if not all(old and new for old, _, new in pairs):
        raise click.BadParameter(f"{names!r} is not OLD=NEW, with commas between", param_hint="OLD=NEW")
    made = _made(transform, {old: new for old, _, new in pairs}, missing="raise" if strict else "skip")
    _run(made, options)


def _made(transform: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return transform(*arguments, **options)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="fields") from None


@commands.command(cls=Command, short_help="Count good and bad records.")
@FILES
@click.option("--in", "form", type=click.Choice(["jsonl", "json", "csv", "tsv"]), help="Format of the input.")
@click.option("--format", "report", type=click.Choice(["text", "json"]), default="text", show_default=True)
@on_error("skip")
def check(files: tuple[str, ...], form: Any, report: str, on_error: str) -> None:
    """Read every record; name the bad ones, count both. Status 1 where any is bad.

    All is read unless --on-error says stop. Nothing is written, but for the bad records into a quarantine.

    \b
    Example:
      printf '{"a": 1}\\n{"a": }\\n' | cb-map check
    """
    import json

    from cb_map.checking import check_files
    from cb_map.running import Settings

    settings = Settings(files=files, form=form, on_error=on_error)
    settings.check()
    counts = check_files(settings)
    if report == "json":
        click.echo(json.dumps({"records": counts.read, "good": counts.read - counts.bad, "bad": counts.bad}))
    else:
        click.echo(f"{counts.read} records, {counts.read - counts.bad} good, {counts.bad} bad")
    sys.exit(1 if counts.bad else 0)


commands.add_command(attach_rows)
commands.add_command(latest_rows)
commands.add_command(apply)
commands.add_command(zip_files)
