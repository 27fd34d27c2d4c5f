"""The ``cb-threading`` command: parse, call the library, print."""

from __future__ import annotations

import click

from cb_threading import __version__


@click.group()
@click.version_option(__version__, prog_name="cb-threading")
def main() -> None:
    """A list of URLs on disk: fast, polite, crash-safe, and the threading toolkit under it."""
