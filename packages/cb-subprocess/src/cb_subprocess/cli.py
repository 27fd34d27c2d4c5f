"""The ``cb-subprocess`` command: parse, call the library, print."""

from __future__ import annotations

import click

from cb_subprocess import __version__


@click.group()
@click.version_option(__version__, prog_name="cb-subprocess")
def main() -> None:
    """Run external commands so that nothing hangs, leaks, is lost or injected: one, a pipeline, or ten thousand."""
