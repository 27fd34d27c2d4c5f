"""Options that several sub-commands share, and what comes of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from cb_csv.dialect import Dialect, Quoting

__all__ = [
    "ENCODING",
    "FILE",
    "dialect_of",
    "format_option",
    "progress",
    "quoting_option",
    "say",
    "source_options",
    "target_of",
]

FILE: click.Path = click.Path(allow_dash=True, readable=False)  # to open it is to find out
F = TypeVar("F", bound=Callable[..., Any])
_CHARACTERS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|", "colon": ":"}
_NEWLINES = {"crlf": "\r\n", "lf": "\n", "cr": "\r"}


def say(text: str) -> None:
    """A line for people, on stderr."""
    click.echo(f"cb-csv: {text}", err=True)


class _Character(click.ParamType[str]):
    """A delimiter, quote or escape: itself, or its name."""

    name = "char"

    def convert(self, value: Any, *_: object) -> str:
        text = str(value)
        return _CHARACTERS.get(text.lower(), text)


class _Encoding(click.ParamType[str]):
    name = "encoding"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            "".encode(str(value))
        except LookupError:
            self.fail(f"{value!r} is unknown (use a name like utf-8, utf-8-sig, cp1252, utf-16)", param, ctx)
        return str(value)


CHARACTER: _Character = _Character()
ENCODING: _Encoding = _Encoding()
NEWLINE: click.Choice[str] = click.Choice(list(_NEWLINES))


def _options(function: F, *options: Callable[[F], F]) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def source_options(function: F) -> F:
    """How the input is written; what is not said is detected."""
    return _options(
        function,
        click.option("-d", "--delimiter", type=CHARACTER, help="Between fields: a character, tab, space. [detected]"),
        click.option("--quote", type=CHARACTER, help="Around fields; none where quotes are text.  [detected]"),
        click.option("--escape", type=CHARACTER, help="Before a character that means itself.  [detected]"),
        click.option("--encoding", type=ENCODING, help="As Python names it.  [detected]"),
        click.option("--skip", type=click.IntRange(0), help="Lines before the header.  [detected]"),
    )


def quoting_option(function: F) -> F:
    """``--quoting``."""
    choice = click.Choice([one.value for one in Quoting])
    return click.option("--quoting", type=choice, default="minimal", show_default=True, help="What to quote.")(function)


def format_option(function: F) -> F:
    """``--format``."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="json: a line each.",
    )(function)


def dialect_of(
    delimiter: str | None, quote: str | None, escape: str | None, newline: str | None = None
) -> Dialect | None:
    """The dialect that the options say; None if they say nothing."""
    if delimiter is quote is escape is newline is None:
        return None
    return target_of(delimiter or ",", quote, escape, newline or "crlf", "minimal")


def target_of(delimiter: str, quote: str | None, escape: str | None, newline: str, quoting: str) -> Dialect:
    """The dialect to write.

    Raises:
        click.BadParameter: There can be no such dialect.
    """
    from cb_csv.errors import DialectError

    quotechar = None if quote == "none" else quote or '"'
    try:
        return Dialect(delimiter, quotechar, escape, newline=_NEWLINES[newline], quoting=Quoting(quoting))
    except DialectError as error:
        raise click.BadParameter(str(error)) from error


@contextmanager
def progress(path: str, label: str, *, quiet: bool = False) -> Iterator[Callable[[int], object] | None]:
    """Show how far a long file has been read, if somebody is watching; yields what to tell the number of bytes."""
    import os

    size = os.path.getsize(path) if path != "-" and os.path.isfile(path) else 0  # noqa: PTH113, PTH202
    if quiet or size < 1 << 24 or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=size, label=label, file=sys.stderr) as bar:
        yield lambda done: bar.update(max(0, done - bar.pos))
