"""``attach`` and ``latest``: rows of one file put into the records of another."""

from __future__ import annotations

from typing import Any

import click

from cb_map.options import FILES, Command, stream_options


@click.command("attach", cls=Command, short_help="Put rows of another file into records.")
@FILES
@click.option("--from", "rows", required=True, metavar="FILE", help="The file with the rows.")
@click.option("--key", required=True, help="Field of the record.")
@click.option("--foreign", help="Field of the row that equals it; the same name where it is not given.")
@click.option(
    "--latest", "on", metavar="FIELD", help="Of several rows, the one with the greatest FIELD; else the last."
)
@click.option("--into", required=True, help="Field that the row becomes.")
@click.option(
    "--missing",
    type=click.Choice(["null", "keep", "skip", "raise"]),
    default="null",
    show_default=True,
    help="A record without a row: null as its row, kept as it is, left out, or bad.",
)
@click.option("--from-format", type=click.Choice(["jsonl", "json", "csv", "tsv"]), help="Format of the rows.")
@stream_options
def attach_rows(
    rows: str, key: str, foreign: str | None, on: str | None, into: str, missing: Any, from_format: Any, **options: Any
) -> None:
    """Put a row of another file into each record: to a product its latest price.

    The rows are held in memory, one for each key; records are streamed.

    \b
    Example:
      cb-map attach --from prices.jsonl --key id --foreign product_id --latest date --into price products.jsonl
    """
    from cb_map.joins import attach
    from cb_map.newest import index
    from cb_map.reading import DELIMITERS, format_of
    from cb_map.running import Settings, run_transform

    settings = Settings(**options)
    settings.check()
    by_key = index(rows, from_format or format_of(rows), foreign or key, on)
    forms = {from_format or format_of(rows), *map(settings.form_of, settings.files or ("-",))}
    if text := not forms.isdisjoint(DELIMITERS):
        by_key = {str(value): row for value, row in by_key.items()}
    transform = attach(by_key, key=key, into=into, missing=missing, text=text)
    run_transform(settings, transform)


@click.command("latest", cls=Command, short_help="Keep the latest row of each key.")
@FILES
@click.option("--by", required=True, help="Field that says which rows belong together.")
@click.option("--on", required=True, help="Field whose greatest value is the latest: dates, numbers.")
@stream_options
def latest_rows(by: str, on: str, **options: Any) -> None:
    """Keep the row with the greatest --on for each value of --by. Of equal ones the last counts.

    ISO 8601 dates and times are compared as moments. Memory: one row for each key. With --in-place, each FILE keeps its
    own latest rows.

    \b
    Example:
      cb-map latest --by product_id --on date prices.jsonl
    """
    from cb_map.newest import keep_newest
    from cb_map.running import Settings

    keep_newest(Settings(**options), by, on)
