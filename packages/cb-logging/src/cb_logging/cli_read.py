"""``cat``, ``tail``, ``stats``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from cb_logging.printing import print_records, print_summary, shown
from cb_logging.records import make_query
from cb_logging.schema import schema_of
from cb_logging.stats import GROUPS, summarise

F = TypeVar("F", bound=Callable[..., Any])


def _filters(function: F) -> F:
    options = (
        click.option("-l", "--level", default="0", help="This level or above."),
        click.option("--since", help="From this time on: 2026-11-23 04:00, 04:00, or 15m for 15 minutes ago."),
        click.option("--until", help="Before this time."),
        click.option("--logger", multiple=True, help="Of this logger."),
        click.option("--module", multiple=True, help="Of this module."),
        click.option("--thread", multiple=True, help="Of this thread."),
        click.option("-g", "--grep", help="With this expression in the record, its traceback included."),
        click.option(
            "-t", "--template", default="auto", show_default=True, help="book, basic, json, plain, or % fields."
        ),
        click.option("--datefmt", help="Of the template's time."),
        click.option("-r", "--rotated", is_flag=True, help="Begin with what FILE was rotated to."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _format(function: F) -> F:
    choice = click.Choice(["text", "json"])
    return click.option("--format", "form", type=choice, default="text", help="json: an object a line.")(function)


@click.command("cat")
@click.argument("files", nargs=-1, default=None)
@_filters
@_format
@click.option("--strict", is_flag=True, help="Status 2 if there are bytes that are no record.")
def cat_(
    files: tuple[str, ...], template: str, datefmt: str | None, rotated: bool, form: str, strict: bool, **filters: Any
) -> None:
    """Print the records of FILES that match, whole, tracebacks included.

    \b
    Example:
      cb-logging cat --level ERROR --since 15m app.log
    """
    query, schema = make_query(**filters), schema_of(template, datefmt=datefmt)
    raise click.exceptions.Exit(print_records(files or ("-",), query, schema, form, rotated=rotated, strict=strict))


@click.command("tail")
@click.argument("file")
@_filters
@_format
@click.option(
    "-n", "--lines", "last", type=click.IntRange(0), default=10, show_default=True, help="Records to begin with."
)
@click.option("-F", "-f", "--follow", is_flag=True, help="Wait for more, also across rotation.")
def tail_(
    file: str, template: str, datefmt: str | None, rotated: bool, form: str, last: int, follow: bool, **filters: Any
) -> None:
    """Print the last records of FILE; with -F go on with what comes, each once, across rotation.

    \b
    Example:
      cb-logging tail -F --level WARNING app.log
    """
    from cb_logging.following import follow as follow_log

    query = make_query(**filters)
    if not follow:
        os.stat(file)  # who does not wait wants it to be there
    found = False
    stop = (lambda: False) if follow else (lambda: True)
    schema = schema_of(template, datefmt=datefmt)
    for record in follow_log(file, schema, rotated=rotated, last=None if rotated else last, stop=stop):
        if query.keeps(record):
            found = True
            sys.stdout.buffer.write(shown(record, form))
            sys.stdout.buffer.flush()
    if not found:
        raise click.exceptions.Exit(1)


@click.command("stats")
@click.argument("file", default="-")
@_filters
@_format
@click.option("-b", "--by", multiple=True, type=click.Choice(list(GROUPS)), help="Count by this.  [level]")
@click.option("--bucket", type=click.Choice(["second", "minute", "hour", "day"]), help="Count by time as well.")
def stats_(
    file: str, template: str, rotated: bool, form: str, by: tuple[str, ...], bucket: str | None, **rest: Any
) -> None:
    """Count the records of FILE by level, module, time; with bars.

    \b
    Example:
      cb-logging stats --by level --by module --bucket hour app.log
    """
    found = summarise(file, by=by or ("level",), bucket=bucket, format=template, rotated=rotated, spread=True, **rest)
    raise click.exceptions.Exit(print_summary(found, form))
