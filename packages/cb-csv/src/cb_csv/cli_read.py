"""Sub-commands that read: detect, check, cat, dicts, stats, split."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from cb_csv.cli_options import FILE, dialect_of, format_option, progress, say, source_options
from cb_csv.dialect import RFC4180

if TYPE_CHECKING:
    from cb_csv.stats import ColumnStats

__all__ = ["cat", "check", "detect", "dicts", "split", "stats"]


def _line(value: object) -> None:
    import json

    click.echo(json.dumps(value, ensure_ascii=False))


@click.command(short_help="Find out how files are written.")
@click.argument("files", nargs=-1, type=FILE)
@format_option
@click.option("--sample", type=click.IntRange(1), default=65536, show_default=True, help="Bytes to look at.")
def detect(files: tuple[str, ...], form: str, sample: int) -> None:
    """Find out how FILES (stdin if there are none) are written: delimiter, quotes, encoding, line ends, header.

    \b
    Example:
      printf 'name;price\\nJohn;1,5\\n' | cb-csv detect
    """
    from cb_csv.detecting import detect as find

    for name in files or ("-",):
        found = find(name, sample=sample)
        if form == "json":
            _line({"file": name, **found.as_dict()})
            continue
        click.echo(f"{name}: {found}")
        for dialect, score in found.alternatives[:3]:
            click.echo(f"  or delimiter {dialect.delimiter!r}, quote {dialect.quotechar}: {score:.0%} of its score")


@click.command(short_help="Show every fault and where it is.")
@click.argument("files", nargs=-1, type=FILE)
@source_options
@click.option("--newline", type=click.Choice(["crlf", "lf", "cr"]), help="Line end to hold the file to.")
@click.option("--detect", "detected", is_flag=True, help="Hold the file to what it seems to be, not to RFC 4180.")
@click.option("--columns", type=click.IntRange(1), help="Fields of each record.  [as many as the first has]")
@click.option("--ignore", multiple=True, metavar="CODE", help="Pass over faults of this code; may be repeated.")
@click.option("--max-faults", type=click.IntRange(1), metavar="N", help="Stop after so many.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes to use.")
@format_option
@click.option("-q", "--quiet", is_flag=True, help="Only the exit code.")
def check(
    files: tuple[str, ...],
    delimiter: str | None,
    quote: str | None,
    escape: str | None,
    encoding: str | None,
    skip: int | None,
    newline: str | None,
    detected: bool,
    columns: int | None,
    ignore: tuple[str, ...],
    max_faults: int | None,
    workers: int,
    form: str,
    quiet: bool,
) -> None:
    """Hold FILES (stdin if there are none) to RFC 4180 and show every fault, as FILE:LINE:COLUMN that editors follow.

    \b
    Example:
      printf 'id,size\\r\\n1,5"\\r\\n2\\r\\n' | cb-csv check
    """
    from cb_csv.checking import check as faults_of
    from cb_csv.fault import CODES

    if unknown := set(ignore) - set(CODES):
        raise click.BadParameter(f"{unknown.pop()!r} is no code (known: {', '.join(CODES)})", param_hint="--ignore")
    dialect = dialect_of(delimiter, quote, escape, newline) or (None if detected else RFC4180)
    count = 0
    for name in files or ("-",):
        with progress(name, "checking", quiet=quiet) as tell:
            for fault in faults_of(
                name, dialect, encoding=encoding, columns=columns, skip=skip, workers=workers, progress=tell
            ):
                if fault.code in ignore:
                    continue
                count += 1
                if quiet:
                    sys.exit(1)
                if form == "json":
                    _line({"file": name, **fault.as_dict()})
                else:
                    click.echo(f"{name}:{fault}")
                if count == max_faults:
                    say(f"stopped at {count} faults")
                    sys.exit(1)
    if not quiet:
        say(f"{count or 'no'} fault{'' if count == 1 else 's'}")
    sys.exit(1 if count else 0)


@click.command(short_help="Print rows as lists.")
@click.argument("file", default="-", type=FILE)
@source_options
@click.option("--as", "form", type=click.Choice(["list", "json"]), default="list", show_default=True, help="How.")
@click.option("--lenient", is_flag=True, help="Read over faults.")
def cat(
    file: str,
    delimiter: str | None,
    quote: str | None,
    escape: str | None,
    encoding: str | None,
    skip: int | None,
    form: str,
    lenient: bool,
) -> None:
    """Print the rows of FILE, a line each: as Python lists or as JSON arrays.

    \b
    Example:
      printf '1,"2, too"\\r\\n' | cb-csv cat --as json
    """
    from cb_csv.rows import read_rows

    ragged: Any = "keep" if lenient else "error"
    dialect = dialect_of(delimiter, quote, escape)
    for row in read_rows(file, dialect, encoding=encoding, strict=not lenient, ragged=ragged, skip=skip):
        _line(row) if form == "json" else click.echo(str(row))


@click.command(short_help="Print rows as JSON objects.")
@click.argument("file", default="-", type=FILE)
@source_options
@click.option("--fields", help="Names of the columns of a file without header, with commas between.")
@click.option("--ragged", type=click.Choice(["error", "pad", "keep"]), default="error", show_default=True)
@click.option("--duplicates", type=click.Choice(["error", "suffix", "last"]), default="error", show_default=True)
@click.option("--lenient", is_flag=True, help="Read over faults.")
def dicts(
    file: str,
    delimiter: str | None,
    quote: str | None,
    escape: str | None,
    encoding: str | None,
    skip: int | None,
    fields: str | None,
    ragged: Any,
    duplicates: Any,
    lenient: bool,
) -> None:
    """Print the rows of FILE as JSON objects, a line each, for jq and for cb-csv write.

    \b
    Example:
      printf 'age,name\\r\\n30,John\\r\\n' | cb-csv dicts
    """
    from cb_csv.rows import read_dicts

    for one in read_dicts(
        file,
        dialect_of(delimiter, quote, escape),
        fieldnames=fields.split(",") if fields else None,
        encoding=encoding,
        strict=not lenient,
        ragged=ragged,
        duplicates=duplicates,
        skip=skip,
        on_doubt=lambda what: say(f"{what} (if it is data, name them with --fields)"),
    ):
        _line(one)


@click.command(short_help="Summarize every column.")
@click.argument("file", default="-", type=FILE)
@source_options
@click.option("--no-header", is_flag=True, help="The first row is data.")
@click.option(
    "--cap", type=click.IntRange(1), default=10_000, show_default=True, help="Different cells counted exactly."
)
@click.option("--top", type=click.IntRange(0), default=3, show_default=True, help="Most frequent cells to show.")
@format_option
def stats(
    file: str,
    delimiter: str | None,
    quote: str | None,
    escape: str | None,
    encoding: str | None,
    skip: int | None,
    no_header: bool,
    cap: int,
    top: int,
    form: str,
) -> None:
    """Summarize the columns of FILE: count, empty, distinct, type, range, mean, the most frequent, a histogram.

    \b
    Example:
      printf 'id,size\\r\\n1,5\\r\\n2,7\\r\\n' | cb-csv stats
    """
    from cb_csv.stats import summarize

    with progress(file, "reading") as tell:
        columns = summarize(
            file,
            dialect_of(delimiter, quote, escape),
            encoding=encoding,
            skip=skip,
            header=False if no_header else None,
            cap=cap,
            top=top,
            progress=tell,
        )
    if form == "json":
        for column in columns:
            _line(column.as_dict())
        return
    rows = [["column", "type", "rows", "empty", "distinct", "min", "max", "mean", "stddev", "longest"]]
    rows += [_summary(column) for column in columns]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip())
    for column in columns:
        shown = ", ".join(f"{cell[:30]!r} x {count:,}" for cell, count in column.frequent)
        bars = f"  {_bars(column.histogram)}" if column.histogram else ""
        click.echo(f"{column.name.ljust(widths[0])}{bars}  {shown}")


def _summary(column: ColumnStats) -> list[str]:
    def short(value: str | float | None) -> str:
        return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value[:20]

    distinct = f"{'' if column.distinct_is_exact else '~'}{column.distinct:,}"
    ends = [short(value) for value in (column.min, column.max, column.mean, column.stddev)]
    return [
        column.name[:30],
        column.type,
        f"{column.count:,}",
        f"{column.empty:,}",
        distinct,
        *ends,
        str(column.longest),
    ]


def _bars(histogram: list[int]) -> str:
    most = max(histogram)
    return "".join(" ▁▂▃▄▅▆▇█"[-(-8 * count // most)] for count in histogram)


@click.command(short_help="Cut a file where records end.")
@click.argument("file", type=click.Path(readable=False))
@source_options
@click.option("-n", "--parts", type=click.IntRange(1), default=2, show_default=True, help="How many parts at most.")
@click.option("-o", "--output", type=click.Path(file_okay=False), help="Write the parts there, each with the header.")
@format_option
def split(
    file: str,
    delimiter: str | None,
    quote: str | None,
    escape: str | None,
    encoding: str | None,
    skip: int | None,
    parts: int,
    output: str | None,
    form: str,
) -> None:
    """Print the byte ranges of parts of FILE that have whole records, or write the parts into a folder.

    \b
    Example:
      cb-csv split big.csv --parts 8
    """
    from cb_csv.detecting import detect as find
    from cb_csv.split import split_into, split_points

    dialect = dialect_of(delimiter, quote, escape) or find(file).dialect
    del encoding, skip  # quotes and line ends are the same in all encodings that can be cut
    if output:
        for path in split_into(file, output, parts, dialect):
            _line(path) if form == "json" else click.echo(path)
        return
    points = split_points(file, parts, dialect)
    for start, stop in pairwise(points):
        _line([start, stop]) if form == "json" else click.echo(f"{start}\t{stop}")
