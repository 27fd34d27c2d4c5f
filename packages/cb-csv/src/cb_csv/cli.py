"""The ``cb-csv`` command: parse, call the library, print."""

from __future__ import annotations

import click

from cb_csv import __version__


@click.group()
@click.version_option(__version__, prog_name="cb-csv")
def main() -> None:
    """Trust a delimited file that somebody else made: detect, check, convert, read, append."""
