"""What the commands read and how they complain: lines with their place, lengths of time, stores, dotted names."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cb_decorators.errors import DecoratorError

if TYPE_CHECKING:
    from cb_decorators.stores import Store

__all__ = ["DURATION", "InputError", "default_store", "lines_of", "named", "say", "store_of", "store_option"]

_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class InputError(click.ClickException):
    """Input that ends the command, said in one line."""


def say(text: str) -> None:
    """One line on stderr, under the command's name."""
    click.echo(f"cb-decorators: {text}", err=True)


def lines_of(path: str) -> Iterator[tuple[str, str]]:
    """Yield each line of a file, or of stdin for ``-``, with its place, ``FILE:LINE``.

    Raises:
        InputError: A line that is not UTF-8.
    """
    name = "stdin" if path == "-" else path
    with contextlib.ExitStack() as stack:
        file = sys.stdin.buffer if path == "-" else stack.enter_context(Path(path).open("rb"))
        for number, line in enumerate(file, 1):
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                column = len(line[: error.start].decode()) + 1
                raise InputError(f"{name}:{number}:{column}: not UTF-8 (convert it, for instance with iconv)") from None
            yield f"{name}:{number}", text.removesuffix("\n").removesuffix("\r")


class _Duration(click.ParamType[float]):
    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|)", str(value))
        if not found or not float(found[1]):
            self.fail(f"{value!r} is no length of time above 0, like 500ms, 30, 10m, 2h or 1d", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


DURATION: click.ParamType[float] = _Duration()
"""Seconds, or a number with ms, s, m, h or d."""


def store_of(text: str, **options: Any) -> Store:
    """Return the store that ``sqlite:PATH`` or a Redis URL names.

    Raises:
        click.BadParameter: It names none.
    """
    kind, colon, rest = text.partition(":")
    try:
        if kind == "sqlite" and rest:
            from cb_decorators.stores.sqlite import SQLiteStore

            return SQLiteStore(rest, **options)
        if kind in {"redis", "rediss", "unix"} and colon:
            from cb_decorators.stores.redis import RedisStore

            return RedisStore(text, **options)
    except DecoratorError as error:
        raise click.BadParameter(str(error), param_hint="--store") from error
    raise click.BadParameter(f"{text!r} is neither sqlite:PATH nor redis://HOST:PORT/DB", param_hint="--store")


def default_store() -> str:
    """Return where results are kept unless told otherwise: in the user's cache folder, made if it is not there."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cb-decorators"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    return f"sqlite:{base / 'results.sqlite'}"


store_option: Callable[[Any], Any] = click.option(
    "--store",
    metavar="STORE",
    help="sqlite:PATH or redis://HOST:PORT/DB; a SQLite file in the user's cache folder unless given.",
)


def named(text: str, option: str) -> Callable[..., Any]:
    """Return the callable that ``MODULE:NAME`` names; modules in the current folder are found.

    Raises:
        click.BadParameter: There is none.
    """
    module_name, _, path = text.partition(":")
    if not module_name or not path:
        raise click.BadParameter(f"{text!r} is not MODULE:NAME, like math:sqrt", param_hint=option)
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise click.BadParameter(f"{text}: {error}", param_hint=option) from error
    if not callable(found):
        raise click.BadParameter(f"{text} is not a function", param_hint=option)
    return found  # type: ignore[no-any-return]
