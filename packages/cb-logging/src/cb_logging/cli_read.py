"""``cat``, ``tail``, ``stats``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from cb_logging.reading import Record, make_query, read_blocks, spans
from cb_logging.schema import schema_of
from cb_logging.stats import GROUPS, Summary, summarise

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


def _shown(record: Record, form: str) -> bytes:
    if form == "text":
        return record.raw if record.raw.endswith(b"\n") else record.raw + b"\n"
    fields = dict(record.fields)
    if record.traceback:
        fields["traceback"] = record.traceback
    return json.dumps(fields, ensure_ascii=False, default=str).encode() + b"\n"


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
    query = make_query(**filters)
    schema = schema_of(template, datefmt=datefmt)
    out = sys.stdout.buffer
    found = False
    stray = 0

    def unparsed(size: int) -> None:
        nonlocal stray
        stray += size

    for file in files or ("-",):
        for block, known in read_blocks(file, query, schema, rotated=rotated, unparsed=unparsed):
            for start, end in spans(block, known, query):
                found = True
                data = block[start:end]
                out.write(_shown(Record(data, known), form) if form == "json" or data[-1] != 10 else data)
    out.flush()
    if strict and stray:
        click.echo(f"cb-logging: {stray} bytes before the first record are no record (say --template)", err=True)
        raise click.exceptions.Exit(2)
    if not found:
        raise click.exceptions.Exit(1)


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
    found = False
    stop = (lambda: False) if follow else (lambda: True)
    schema = schema_of(template, datefmt=datefmt)
    for record in follow_log(file, schema, rotated=rotated, last=None if rotated else last, stop=stop):
        if query.keeps(record):
            found = True
            sys.stdout.buffer.write(_shown(record, form))
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
    found = summarise(file, by=by or ("level",), bucket=bucket, format=template, rotated=rotated, **rest)
    if form == "json":
        for key, number in found.counts.items():
            click.echo(json.dumps({**dict(zip(found.by, key, strict=True)), "records": number}, ensure_ascii=False))
    else:
        _draw(found)
    if found.unparsed:
        click.echo(f"cb-logging: {found.unparsed} bytes before the first record are no record", err=True)
    if not found.records:
        raise click.exceptions.Exit(1)


_BAR = 40
_SPARKS = "▁▂▃▄▅▆▇█"


def _draw(found: Summary) -> None:
    """A line for each combination, the times of it drawn small behind it; bars."""
    timed = found.by[-1] == "time"
    times = sorted(found.along("time")) if timed else []
    rows: dict[tuple[str, ...], dict[str, int]] = {}
    for key, number in found.counts.items():
        rows.setdefault(key[:-1] if timed else key, {})[key[-1] if timed else ""] = number
    totals = {key: sum(row.values()) for key, row in rows.items()}
    most = max(totals.values(), default=1)
    wide = [max(len(key[at]) for key in rows) for at in range(len(found.by) - timed)] if rows else []
    for key in sorted(rows, key=lambda one: (-totals[one], one)):
        names = "  ".join(f"{name:<{width}}" for name, width in zip(key, wide, strict=True))
        bar = "█" * max(1, round(_BAR * totals[key] / most))
        click.echo(f"{names}  {totals[key]:>12,}  {_spark(rows[key], times) if timed else bar}")
    if times:
        click.echo(f"{'':<{sum(wide) + 2 * len(wide)}}{'':>14}{times[0]} … {times[-1]}")


def _spark(row: dict[str, int], times: list[str]) -> str:
    """The counts along the times, at most 60 of them, several put together where there are more."""
    step = -(-len(times) // 60)
    sums = [sum(row.get(one, 0) for one in times[at : at + step]) for at in range(0, len(times), step)]
    most = max(sums)
    return "".join(" " if number == 0 else _SPARKS[min(7, number * 8 // (most + 1))] for number in sums)
