"""Sub-commands that write: convert, write, append, enter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import click

from cb_csv.cli_options import ENCODING, FILE, dialect_of, progress, quoting_option, say, source_options, target_of
from cb_csv.errors import CsvError

__all__ = ["append", "convert", "enter", "write"]


def _target_options(function: Any) -> Any:
    for option in (
        click.option("--guard-formulas", is_flag=True, help="Disarm cells that a spreadsheet would run."),
        quoting_option,
        click.option("--to-encoding", type=ENCODING, default="utf-8", show_default=True, help="utf-8-sig for Excel."),
        click.option("--to-newline", type=click.Choice(["crlf", "lf", "cr"]), default="crlf", show_default=True),
        click.option("--to-escape", default=None, help="Escape character to write."),
        click.option("--to-quote", default='"', show_default=True, help="Quote character to write, or none."),
        click.option("--to-delimiter", default=",", show_default=True, help="Delimiter to write."),
    ):
        function = option(function)
    return function


def _named(char: str | None) -> str | None:
    from cb_csv.cli_options import CHARACTER

    return None if char is None else CHARACTER.convert(char)


@click.command(short_help="Write a file in another dialect.")
@click.argument("file", default="-", type=FILE)
@click.argument("output", default="-", type=FILE)
@source_options
@_target_options
@click.option(
    "--on-fault", type=click.Choice(["raise", "keep", "repair"]), default="raise", show_default=True, help="What to do."
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes to use.")
@click.option("--no-fsync", is_flag=True, help="Do not wait for the disk.")
@click.option("-q", "--quiet", is_flag=True, help="No totals and no repairs on stderr.")
def convert(
    file: str,
    output: str,
    delimiter: str | None,
    quote: str | None,
    escape: str | None,
    encoding: str | None,
    skip: int | None,
    to_delimiter: str,
    to_quote: str,
    to_escape: str | None,
    to_newline: str,
    to_encoding: str,
    quoting: str,
    guard_formulas: bool,
    on_fault: Any,
    workers: int,
    no_fsync: bool,
    quiet: bool,
) -> None:
    """Write FILE to OUTPUT (stdin to stdout) as RFC 4180 in UTF-8, or as the options say. OUTPUT is replaced last.

    \b
    Example:
      printf 'name;price\\nJohn;1,5\\n' | cb-csv convert
    """
    from cb_csv.converting import convert as run

    with progress(file, "converting", quiet=quiet) as tell:
        done = run(
            file,
            output,
            source=dialect_of(delimiter, quote, escape),
            target=target_of(_named(to_delimiter) or ",", _named(to_quote), _named(to_escape), to_newline, quoting),
            encoding=encoding,
            to_encoding=to_encoding,
            skip=skip,
            workers=workers,
            on_fault=on_fault,
            report=None if quiet else lambda fault, what: say(f"{file}:{fault} [{what}]"),
            guard_formulas=guard_formulas,
            durable=not no_fsync,
            progress=tell,
        )
    if not quiet:
        left_out = f"; {done.skipped:,} lines before them left out (--skip 0 keeps them)" if done.skipped else ""
        say(f"{done.records:,} records, {done.bytes_written:,} bytes, {done.faults:,} faults{left_out}")


def _json_lines(name: str) -> Iterator[list[Any] | dict[str, Any]]:
    """Arrays and objects, a line each; all of the kind that the first is."""
    import json

    stream = sys.stdin if name == "-" else click.open_file(name, encoding="utf-8")
    kind: type | None = None
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise CsvError(f"{name}:{number}: no JSON: {error} (one array or object a line)") from error
        kind = kind or type(value)
        if kind not in (list, dict) or not isinstance(value, kind):
            raise CsvError(f"{name}:{number}: arrays, or objects, but not {type(value).__name__} (a row a line)")
        yield value


@click.command(short_help="Write JSON lines as CSV.")
@click.argument("output", default="-", type=FILE)
@click.option("-i", "--input", "source", default="-", type=FILE, help="JSON lines; - is stdin.")
@click.option("--fields", help="Columns in their order, with commas between.  [in the order they are seen]")
@click.option("--sort-fields", is_flag=True, help="Columns in alphabetical order.")
@_target_options
def write(
    output: str,
    source: str,
    fields: str | None,
    sort_fields: bool,
    to_delimiter: str,
    to_quote: str,
    to_escape: str | None,
    to_newline: str,
    to_encoding: str,
    quoting: str,
    guard_formulas: bool,
) -> None:
    """Write JSON lines to OUTPUT: arrays as rows, objects under a header. OUTPUT is replaced at the end.

    \b
    Example:
      echo '{"age": 30, "name": "John"}' | cb-csv write
    """
    from cb_csv.write import write_dicts, write_rows

    target = target_of(_named(to_delimiter) or ",", _named(to_quote), _named(to_escape), to_newline, quoting)
    values: Iterator[Any] = _json_lines(source)
    first = list(islice(values, 1))
    values = chain(first, values)
    options: Any = {"encoding": to_encoding, "guard_formulas": guard_formulas}
    if first and isinstance(first[0], list):
        if fields or sort_fields:
            raise click.UsageError("--fields and --sort-fields are for objects; these are arrays")
        write_rows(output, values, target, **options)
    else:
        names = fields.split(",") if fields else None
        write_dicts(output, values, names, target, sort_fields=sort_fields, **options)


@click.command(short_help="Add rows to a file, safely.")
@click.argument("target", type=click.Path(dir_okay=False))
@click.argument("source", default="-", type=FILE)
@click.option("--csv", "is_csv", is_flag=True, help="SOURCE is a delimited file with a header, not JSON lines.")
@click.option("--fields", help="Columns of a new file, or those that the file must have; with commas between.")
@click.option("--batch", type=click.IntRange(1), default=10_000, show_default=True, help="Rows written at once.")
@click.option("--lock-timeout", type=click.FloatRange(0), default=10.0, show_default=True, help="Seconds.")
@click.option("--no-create", is_flag=True, help="The file must be there.")
@click.option("--no-fsync", is_flag=True, help="Do not wait for the disk.")
@click.option("-q", "--quiet", is_flag=True, help="No total on stderr.")
def append(
    target: str,
    source: str,
    is_csv: bool,
    fields: str | None,
    batch: int,
    lock_timeout: float,
    no_create: bool,
    no_fsync: bool,
    quiet: bool,
) -> None:
    """Add rows from SOURCE (JSON lines on stdin) to TARGET; a batch is added whole or not at all, whoever else adds.

    \b
    Example:
      echo '["09:00", "up"]' | cb-csv append log.csv --fields time,state
    """
    from cb_csv.append import Appender
    from cb_csv.rows import read_dicts

    rows: Iterator[Any] = read_dicts(source) if is_csv else _json_lines(source)
    first = list(islice(rows, 1))
    if not first:
        return
    names = fields.split(",") if fields else list(first[0]) if isinstance(first[0], dict) else None
    rows, count = chain(first, rows), 0
    with Appender(target, names, create=not no_create, lock_timeout=lock_timeout, durable=not no_fsync) as appender:
        add = appender.dicts if isinstance(first[0], dict) else appender.rows
        while some := list(islice(rows, batch)):
            count += add(some)
    if not quiet:
        say(f"{target}: {count:,} rows added")


@click.command(short_help="Type rows in, field by field.")
@click.argument("output", type=click.Path(dir_okay=False))
@click.option("--columns", type=click.IntRange(1), help="Fields of each row.  [asked for]")
@click.option("--fields", help="Names of the columns, with commas between: then dicts under a header.")
@click.option("-d", "--to-delimiter", default=",", show_default=True, help="Delimiter to write.")
@click.option("--to-quote", default='"', show_default=True, help="Quote character to write.")
@quoting_option
def enter(output: str, columns: int | None, fields: str | None, to_delimiter: str, to_quote: str, quoting: str) -> None:
    """Ask for rows, write them to OUTPUT, read them back and print both. Ends at an answer other than y, or Ctrl-D.

    \b
    Example:
      cb-csv enter dict.csv --fields name,last_name,age
    """
    from cb_csv.enter import ask_columns, prompt_dicts, prompt_rows
    from cb_csv.rows import read_dicts, read_rows
    from cb_csv.write import write_dicts, write_rows

    dialect = target_of(_named(to_delimiter) or ",", _named(to_quote), None, "crlf", quoting)
    if fields:
        names = fields.split(",")
        typed = list(prompt_dicts(names))
        click.echo(str(typed))
        write_dicts(output, typed, names, dialect)
        click.echo(str(list(read_dicts(output, dialect, encoding="utf-8"))))
        return
    try:
        columns = columns or ask_columns(say=say)
    except EOFError as error:
        raise click.UsageError("the input ended before the number of columns (say it with --columns)") from error
    rows = list(prompt_rows(columns))
    click.echo(str(rows))
    write_rows(output, rows, dialect)
    click.echo(str(list(read_rows(output, dialect, encoding="utf-8"))))
