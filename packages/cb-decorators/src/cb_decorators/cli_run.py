"""``cb-decorators run``: any function over JSON Lines, timed, cached, checked."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from typing import Any

import click

from cb_decorators.caching import cached
from cb_decorators.cli_input import DURATION, lines_of, named, say, store_of, store_option
from cb_decorators.errors import DecoratorError
from cb_decorators.signature import is_async
from cb_decorators.timing import Timings
from cb_decorators.validation import validated

__all__ = ["run"]


@click.command(short_help="Run a function over JSON Lines, timed, cached, checked.")
@click.argument("function", metavar="MODULE:FUNC")
@click.argument("file", metavar="[FILE]", default="-")
@click.option("--args", "arguments", metavar="JSON", help="One call with these arguments, instead of FILE.")
@click.option("--time", "timing", is_flag=True, help="Print a table of times on stderr at the end.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "prometheus"]), default="table", help="Of --time."
)
@click.option("--cache", "caching", is_flag=True, help="Run once for equal arguments; implied by --ttl and --store.")
@click.option("--ttl", type=DURATION, help="Keep results this long: 30, 10m, 2h.")
@click.option("--maxsize", type=click.IntRange(0), help="Keep this many results in memory.  [default: all]")
@store_option
@click.option("--check", "checks", metavar="MODULE:PRED", multiple=True, help="A predicate of arguments, by name.")
def run(
    function: str,
    file: str,
    arguments: str | None,
    timing: bool,
    form: Any,
    caching: bool,
    ttl: float | None,
    maxsize: int | None,
    store: str | None,
    checks: tuple[str, ...],
) -> None:
    """Call MODULE:FUNC for each line of FILE (stdin), and print each result as a line of JSON.

    A line that is a JSON array holds positional arguments, an object keyword arguments, anything else one argument.
    A line that cannot be read, or whose call fails, is said on stderr, and the exit code is 1.

    \b
    Example:
      printf '%s\\n' 9 16 9 | cb-decorators run math:sqrt --cache --time
    """
    call = named(function, "MODULE:FUNC")
    timings = Timings()
    with contextlib.ExitStack() as stack:
        try:
            if caching or ttl or store:
                shared = stack.enter_context(contextlib.closing(store_of(store))) if store else None
                call = cached(maxsize=maxsize, ttl=ttl, store=shared)(call)
            if checks:
                call = validated(*(named(check, "--check") for check in checks))(call)
            if timing:
                call = timings(function)(call)
        except (DecoratorError, TypeError) as error:
            raise click.UsageError(f"{function}: {error}") from error
        runner = stack.enter_context(asyncio.Runner())
        source: Iterable[tuple[str, str]] = lines_of(file) if arguments is None else [("--args:1", arguments)]
        failed = 0
        for where, line in source:
            if line.strip():
                failed += not _one(call, where, line, runner)
        if timing:
            click.echo(timings.report(form).rstrip("\n"), err=True)
    raise click.exceptions.Exit(1 if failed else 0)


def _one(call: Any, where: str, line: str, runner: asyncio.Runner) -> bool:
    """Make one call and print its result; say what is wrong with it and return False."""
    try:
        given = json.loads(line)
    except json.JSONDecodeError as error:
        say(f"{where}:{error.colno}: not JSON: {error.msg} (an array, an object, or one value)")
        return False
    args = given if isinstance(given, list) else [] if isinstance(given, dict) else [given]
    kwargs = given if isinstance(given, dict) else {}
    try:
        result = call(*args, **kwargs)
        if is_async(call):
            result = runner.run(result)
    except Exception as error:  # noqa: BLE001 - whatever the function raises is told, and the next line is read
        say(f"{where}:1: {type(error).__name__}: {error}")
        return False
    try:
        click.echo(json.dumps(result, ensure_ascii=False))
    except (TypeError, ValueError) as error:
        say(f"{where}:1: the result cannot be written as JSON: {error} (return plain data)")
        return False
    return True
