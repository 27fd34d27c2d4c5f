"""Commands that change or make documents: set, delete, add, merge, patch, diff, convert, fmt."""

from __future__ import annotations

import sys
from decimal import Decimal, InvalidOperation
from typing import Any

import click
import msgspec

from cb_dict.cli_io import about, change, emit, located, opened, typed
from cb_dict.cli_options import FORM, writing
from cb_dict.diffing import operations
from cb_dict.document import Document
from cb_dict.errors import EditRefused
from cb_dict.formats import FORMATS, Format, dumps
from cb_dict.merging import merge_patch
from cb_dict.path import path
from cb_dict.raw import Raw, encoded

__all__ = ["COMMANDS"]


@click.command("set", short_help="Put a value at a path.")
@click.argument("file")
@click.argument("pairs", nargs=-1, required=True, metavar="PATH VALUE...")
@click.option("--string", "how", flag_value="string", help="VALUE is text, whatever it looks like.")
@click.option("--json", "how", flag_value="json", help="VALUE is JSON, or an error.")
@click.option("--file", "how", flag_value="file", help="VALUE is the name of a file whose document is the value.")
@click.option("--no-create", is_flag=True, help="Do not make objects on the way to PATH.")
@writing
def set_(file: str, pairs: tuple[str, ...], how: str | None, no_create: bool, **options: Any) -> None:
    """Put VALUE at PATH, and change nothing else. VALUE is JSON if it reads as JSON, else text.

    \b
    Example:
      cb-dict set -i app.yaml db.port 5433 db.host localhost
    """
    if len(pairs) % 2:
        raise click.UsageError(f"PATH {pairs[-1]!r} has no VALUE")
    found = [(path(pairs[at]), typed(pairs[at + 1], how or "")) for at in range(0, len(pairs), 2)]

    def act(document: Document) -> None:
        for where, value in found:
            document.set(where, value, create=not no_create)

    change(file, act, **options)


@click.command(short_help="Take out what is at a path.")
@click.argument("file")
@click.argument("paths", nargs=-1, required=True)
@click.option("--missing-ok", is_flag=True, help="It is no error when nothing is there.")
@writing
def delete(file: str, paths: tuple[str, ...], missing_ok: bool, **options: Any) -> None:
    """Take out what is at each PATH, with its key, its comma and its line.

    \b
    Example:
      cb-dict delete -i app.json debug
    """

    def act(document: Document) -> None:
        for one in paths:
            document.delete(one, missing_ok=missing_ok)

    change(file, act, **options)


def _numbers(pairs: tuple[str, ...]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for pair in pairs:
        name, equals, text = pair.rpartition("=")
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not equals or not number.is_finite():
            raise click.UsageError(f"{pair!r} is not PATH=NUMBER")
        found[path(name)] = int(text) if text.lstrip("+-").isdecimal() else number
    return found


@click.command(short_help="Add to counters, all or none.")
@click.argument("file")
@click.argument("deltas", nargs=-1, required=True, metavar="PATH=NUMBER...")
@click.option("--times", type=click.IntRange(1), default=1, help="Add so many times.")
@click.option("--min", "lowest", multiple=True, metavar="PATH=NUMBER", help="Refuse to go below.")
@click.option("--max", "highest", multiple=True, metavar="PATH=NUMBER", help="Refuse to go above.")
@writing
def add(
    file: str, deltas: tuple[str, ...], times: int, lowest: tuple[str, ...], highest: tuple[str, ...], **options: Any
) -> None:
    """Add to the number at each PATH; where one would pass a bound, nothing is changed and the status is 1.

    \b
    Example:
      cb-dict add -i product.json sold=1 stock=-1 --min stock=0
    """
    found = {where: delta * times for where, delta in _numbers(deltas).items()}
    bounds = {"minimum": _numbers(lowest), "maximum": _numbers(highest)}

    def act(document: Document) -> None:
        document.add(found, **bounds)

    change(file, act, **options)


@click.command(short_help="Merge documents into one.")
@click.argument("file")
@click.argument("others", nargs=-1, required=True, metavar="OTHER...")
@click.option(
    "--lists", type=click.Choice(["replace", "append", "union", "index"]), default="replace", show_default=True
)
@click.option("--conflict", type=click.Choice(["right", "left", "error"]), default="right", show_default=True)
@writing
def merge(file: str, others: tuple[str, ...], lists: Any, conflict: Any, **options: Any) -> None:
    """Merge each OTHER into FILE: objects key by key; --lists and --conflict say what holds elsewhere.

    \b
    Example:
      cb-dict merge base.json local.yaml > app.json
    """

    def act(document: Document) -> None:
        for other in others:
            with opened(other) as more:
                value = _lazy(more)
            with located(**{file: document, other: more}):
                document.merge(value, lists=lists, conflict=conflict)

    change(file, act, **options)


def _lazy(document: Document) -> Any:
    """JSON as text that is looked into where needed, other formats as values."""
    return Raw(document.raw()[0]) if document.format in ("json", "jsonc") else document.get()


@click.command(short_help="Apply a JSON Patch.")
@click.argument("file")
@click.argument("changes", metavar="PATCH")
@click.option("--merge", "as_merge", is_flag=True, help="PATCH is a JSON Merge Patch (RFC 7396).")
@writing
def patch(file: str, changes: str, as_merge: bool, **options: Any) -> None:
    """Apply the JSON Patch (RFC 6902) in the file PATCH to FILE, all of it or nothing.

    \b
    Example:
      cb-dict diff --format json old.json new.json | cb-dict patch -i other.json -
    """
    with opened(changes) as document:
        wanted = document.get()
    if not as_merge and not isinstance(wanted, list):
        raise click.UsageError(f"{changes} is no JSON Patch, which is a list of operations (--merge for RFC 7396)")

    def act(document: Document) -> None:
        if as_merge:
            old = document.get()
            document.patch([*operations(old, merge_patch(old, wanted))])
        else:
            document.patch(wanted)

    change(file, act, **options)


@click.command(short_help="Compare two documents; exit 1 if they differ.")
@click.argument("left")
@click.argument("right")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="json: a JSON Patch.")
@click.option("-q", "--quiet", is_flag=True, help="Only the exit status.")
def diff(left: str, right: str, form: str, quiet: bool) -> None:
    """Print what turns LEFT into RIGHT, whatever their formats, spacing and order of keys. Exit 0 equal, 1 different.

    \b
    Example:
      cb-dict diff old.yaml new.json
    """
    with opened(left) as one:
        old = _lazy(one)
    with opened(right) as two:
        new = _lazy(two)
    if isinstance(old, Raw) != isinstance(new, Raw):
        with about(left):
            old = one.get()
        with about(right):
            new = two.get()
    differs = False
    found = []
    with located(**{left: one, right: two}):
        for operation in operations(old, new):
            differs = True
            if quiet:
                break
            if form == "json":
                found.append(operation)
            else:
                click.echo(_line(operation))
        if form == "json" and not quiet:
            emit([msgspec.json.format(encoded(found), indent=2), b"\n"])
    sys.exit(1 if differs else 0)


def _line(operation: dict[str, Any]) -> str:
    sign, colour = {"add": ("+", "green"), "remove": ("-", "red"), "replace": ("~", "yellow")}[operation["op"]]
    value = ": " + encoded(operation["value"]).decode() if "value" in operation else ""
    return click.style(f"{sign} {path(operation['path'])}{value}", fg=colour)


@click.command(short_help="Print a document in another format.")
@click.argument("file")
@click.argument("place", metavar="[PATH]", default="")
@click.option("-t", "--to", "target", type=click.Choice(FORMATS), required=True, help="The format to print.")
@click.option("-o", "--output", default="-", help="Write there instead of to stdout.")
@FORM
def convert(file: str, place: str, target: Format, output: str, form: Format | None) -> None:
    """Print the document, or what is at PATH, in another format. Comments do not come along.

    \b
    Example:
      cb-dict convert pyproject.toml tool -t yaml
    """
    with opened(file, form) as document:
        text = dumps(document.get(place), target)
    with click.open_file(output, "wb", atomic=output != "-") as stream:
        stream.write(text)


@click.command(short_help="Print JSON with an indentation.")
@click.argument("file")
@click.option(
    "--indent", type=click.IntRange(-1, 16), default=2, help="0: one line; -1: without spaces.", show_default=True
)
@writing
def fmt(file: str, indent: int, **options: Any) -> None:
    """Print JSON in lines. Numbers, escapes and the order of keys stay as they are written.

    \b
    Example:
      cb-dict fmt -i --indent 4 app.json
    """

    def act(document: Document) -> None:
        if document.format != "json":
            raise EditRefused(f"fmt is for JSON: {document.format} would lose its comments and layout (see convert)")
        document.set("", Raw(msgspec.json.format(bytes(document.raw()[0]), indent=indent)))

    change(file, act, **options)


COMMANDS: tuple[click.Command, ...] = (set_, delete, add, merge, diff, patch, convert, fmt)
