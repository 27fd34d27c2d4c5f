"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from cb_dict.formats import FORMATS

__all__ = ["FORM", "writing"]

FORM = click.option("-f", "--from", "form", type=click.Choice(FORMATS), help="Format, if the name does not tell it.")


def writing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that changes a document."""
    options = (
        click.option("-i", "--in-place", is_flag=True, help="Change the file itself, at once and under a lock."),
        click.option("--backup", metavar="SUFFIX", help="With -i: keep the old file under this suffix."),
        click.option("--dry-run", is_flag=True, help="Show what would change as a unified diff, and change nothing."),
        FORM,
    )
    for option in reversed(options):
        command = option(command)
    return command
