"""Options that the commands share, and what they say on stderr."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cb_map.reading import FORMATS

F = TypeVar("F", bound=Callable[..., Any])


class Command(click.Command):
    """Lets ``--on-error quarantine FILE`` be written as two words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words: list[str] = []
        for word in args:
            if words[-2:-1] == ["--on-error"] and words[-1] == "quarantine":
                words[-1] = f"quarantine={word}"
            elif words[-1:] == ["--on-error=quarantine"]:
                words[-1] += f"={word}"
            else:
                words.append(word)
        return super().parse_args(ctx, words)


class OnError(click.ParamType[str]):
    """stop, skip, quarantine=FILE."""

    name = "stop|skip|quarantine FILE"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        policy, _, path = value.partition("=")
        if value in {"stop", "skip"} or (policy == "quarantine" and path):
            return value
        return self.fail(f"{value!r} is none of: stop, skip, quarantine FILE", param, ctx)


class Fields(click.ParamType[tuple[str, ...]]):
    """Paths with commas between them."""

    name = "fields"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        from cb_map.paths import parse

        fields = tuple(value.split(",")) if isinstance(value, str) else value
        try:
            for field in fields:
                parse(field)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return fields


FILES = click.argument("files", nargs=-1, metavar="[FILE]...")
MISSING = click.Choice(["null", "skip", "raise"])


PREVIEW = click.option("--preview", type=click.IntRange(1), metavar="N", help="Show the first N results as a table.")


def on_error(default: str) -> Callable[[F], F]:
    """What becomes of bad records."""
    words = "A bad record: stop there, go on without it, or put its bytes into FILE, why into FILE.reasons."
    return click.option("--on-error", type=OnError(), default=default, show_default=True, help=words)


def stream_options(function: F) -> F:
    """What every command takes that reads records and writes them."""
    forms = click.Choice(FORMATS)
    for option in reversed(
        (
            click.option(
                "--in", "form", type=forms, help="Format of the input; else by extension, JSON Lines on stdin."
            ),
            click.option("--out", "out", type=forms, help="Format of the output; else by extension, or as the input."),
            click.option("-o", "--output", default="-", metavar="FILE", help="Write to FILE, when all went well."),
            click.option("--in-place", is_flag=True, help="Replace each FILE by its result, when all went well."),
            on_error("stop"),
            PREVIEW,
            click.option("-v", "--verbose", is_flag=True, help="Say how many records there were."),
        )
    ):
        function = option(function)
    return function
