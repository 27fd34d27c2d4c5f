"""``cb-threading verify``."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict

import click

from cb_threading.checking import verify as check
from cb_threading.cli_io import FORMAT, say


@click.command(short_help="Are the files still what was fetched?")
@click.argument("folder", metavar="DIR")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Files at a time; as many as there are cores.")
@FORMAT
def verify(folder: str, jobs: int | None, form: str) -> None:
    """Hash the files of DIR again. Names what is missing or changed, with status 1; --format json names all.

    \b
    Example:
      cb-threading verify pages
    """
    counts: Counter[str] = Counter()
    for found in check(folder, jobs=jobs):
        counts[found.state] += 1
        if form == "json":
            click.echo(json.dumps(asdict(found), ensure_ascii=False))
        elif found.state in ("changed", "missing"):
            click.echo(f"{found.state}  {found.path}")
    bad = counts["changed"] + counts["missing"]
    say(f"{counts['ok'] + counts['unhashed']} as they were, {bad} not" + (" (fetch --resume)" if bad else ""))
    raise click.exceptions.Exit(1 if bad else 0)
