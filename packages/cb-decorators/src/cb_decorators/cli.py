"""The ``cb-decorators`` command: parse, call the library, print."""

from __future__ import annotations

import click

from cb_decorators import __version__


@click.group()
@click.version_option(__version__, prog_name="cb-decorators")
def main() -> None:
    """Time it, cache it, check it: typed decorators with a single-flight cache that threads, tasks and processes can share."""
