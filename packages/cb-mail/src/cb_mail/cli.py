"""The ``cb-mail`` command: parse, call the library, print."""

from __future__ import annotations

import click

from cb_mail import __version__


@click.group()
@click.version_option(__version__, prog_name="cb-mail")
def main() -> None:
    """Correct mail from Python, the shell or a CSV, delivered fast and crash-safely."""
