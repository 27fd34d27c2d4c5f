"""The ``cb-sockets`` command: parse, call the library, print."""

from __future__ import annotations

import click

from cb_sockets import __version__


@click.group()
@click.version_option(__version__, prog_name="cb-sockets")
def main() -> None:
    """Whole messages over TCP, TLS and Unix sockets."""
