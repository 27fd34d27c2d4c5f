"""Commands that read: get, has, keys, values, items, len, type, flat, unflat, validate."""

from __future__ import annotations

import re
import sys
from typing import Any, Final

import click

from cb_dict.cli_io import emit, opened
from cb_dict.cli_options import FORM
from cb_dict.ending import say
from cb_dict.errors import ParseError, PathSyntaxError
from cb_dict.flat import flatten, unflatten
from cb_dict.formats import FORMATS, Format, dumps
from cb_dict.path import path
from cb_dict.raw import decoded, encoded
from cb_dict.reading import items as items_of
from cb_dict.reading import length
from cb_dict.showing import show
from cb_dict.validating import check_keys, check_utf8

__all__ = ["COMMANDS"]

_FLAT: Final = re.compile(r'((?:[^"]|"(?:[^"\\]|\\.)*")*?) = (.*)', re.DOTALL)


@click.command(short_help="Print what is at a path.")
@click.argument("file")
@click.argument("paths", nargs=-1)
@FORM
@click.option("-r", "--raw", is_flag=True, help="Print strings without quotes.")
@click.option("--default", metavar="VALUE", help="Print this where nothing is, instead of ending with 1.")
@click.option("--lines", is_flag=True, help="The file is JSON Lines: print what is at the path in every record.")
@click.option("--strict", is_flag=True, help="Check that all of the file is UTF-8, not only what is printed.")
def get(
    file: str, paths: tuple[str, ...], form: Format | None, raw: bool, default: str | None, lines: bool, strict: bool
) -> None:
    """Print what stands at each PATH (the whole document without one), as it is written there.

    \b
    Examples:
      cb-dict get app.json servers[0].port
      cb-dict get -r big.json 'events[*].repo.name'
    """
    show(file, paths, form=form, raw=raw, default=default, lines=lines, strict=strict)


@click.command(short_help="Exit 0 if all paths are there, else 1.")
@click.argument("file")
@click.argument("paths", nargs=-1, required=True)
@FORM
def has(file: str, paths: tuple[str, ...], form: Format | None) -> None:
    """Exit 0 if there is something (null too) at every PATH, else 1. Prints nothing.

    \b
    Example:
      cb-dict has app.json debug && echo there
    """
    with opened(file, form) as document:
        sys.exit(0 if all(document.has(one) for one in paths) else 1)


def _members(name: str, show: Any, what: str) -> click.Command:
    @click.command(name, short_help=f"Print the {what} of an object or array.")
    @click.argument("file")
    @click.argument("place", metavar="[PATH]", default="")
    @click.option("--sort", is_flag=True, help="By key, instead of in the document's order.")
    @FORM
    def command(file: str, place: str, sort: bool, form: Format | None) -> None:
        with opened(file, form) as document:
            for key, value in items_of(document.get(place), sort=sort):
                click.echo(show(key, value))

    command.help = f"Print the {what} at PATH, one a line.\n\n\\b\nExample:\n  cb-dict {name} app.json servers"
    return command


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else encoded(value).decode()


keys: click.Command = _members("keys", lambda key, _: str(key), "keys")
values: click.Command = _members("values", lambda _, value: _plain(value), "values")
items: click.Command = _members("items", lambda key, value: f"{key}: {_plain(value)}", "keys and values")


@click.command("len", short_help="Print how many keys, elements or characters there are.")
@click.argument("file")
@click.argument("place", metavar="[PATH]", default="")
@FORM
def len_(file: str, place: str, form: Format | None) -> None:
    """Print the number of keys, elements or characters at PATH.

    \b
    Example:
      cb-dict len app.json servers
    """
    with opened(file, form) as document:
        click.echo(length(document.get(place)))


@click.command("type", short_help="Print object, array, string, number, boolean or null.")
@click.argument("file")
@click.argument("place", metavar="[PATH]", default="")
@FORM
def type_(file: str, place: str, form: Format | None) -> None:
    """Print what kind of value is at PATH.

    \b
    Example:
      cb-dict type app.json servers
    """
    with opened(file, form) as document:
        click.echo(document.shape(place))


@click.command(short_help="Print every leaf as PATH = VALUE, for grep.")
@click.argument("file")
@click.argument("place", metavar="[PATH]", default="")
@FORM
def flat(file: str, place: str, form: Format | None) -> None:
    """Print every leaf as a line, PATH = JSON. `unflat` makes the document again.

    \b
    Example:
      cb-dict flat app.yaml | grep port
    """
    with opened(file, form) as document:
        for where, value in flatten(document.get(place)).items():
            click.echo(f"{where} = {encoded(value).decode()}")


@click.command(short_help="Make a document of the lines that flat prints.")
@click.argument("file", default="-")
@click.option("-t", "--to", "target", type=click.Choice(FORMATS), default="json", help="The format to print.")
def unflat(file: str, target: Format) -> None:
    """Make a document of lines PATH = JSON, in any order.

    \b
    Example:
      cb-dict flat app.json | grep -v secret | cb-dict unflat
    """
    leaves: dict[str, Any] = {}
    with opened(file, "json") as document:
        check_utf8(document.view())
        for number, line in enumerate(bytes(document).decode().split("\n"), 1):
            if not line:
                continue
            found = _FLAT.fullmatch(line)
            if found is None:
                raise ParseError("no ' = ' in the line (PATH = JSON)", line=number, column=1)
            head, tail = found.groups()
            try:
                path(head)
                leaves[head] = decoded(tail.encode())
            except PathSyntaxError as error:
                raise ParseError(str(error), line=number, column=error.column) from error
            except ParseError as error:
                column = len(head) + 3 + error.column
                raise ParseError(str(error.args[0]), line=number, column=column) from error
    emit([dumps(unflatten(leaves), target)])


@click.command(short_help="Check that files are well-formed.")
@click.argument("files", nargs=-1, required=True)
@click.option("--strict", is_flag=True, help="Refuse keys that are there twice, too (slow).")
@FORM
def validate(files: tuple[str, ...], strict: bool, form: Format | None) -> None:
    """Check that each FILE is a well-formed document in UTF-8. Says where it is not, and ends with 3.

    \b
    Example:
      cb-dict validate --strict *.json
    """
    status = 0
    for file in files:
        try:
            with opened(file, form) as document:
                check_utf8(document.view())
                document.raw() if document.format != "jsonl" else document.get()
                if strict and document.format in ("json", "jsonl"):
                    check_keys(document.view())
        except ParseError as error:
            say(str(error))
            status = 3
    sys.exit(status)


COMMANDS: tuple[click.Command, ...] = (get, has, keys, values, items, len_, type_, flat, unflat, validate)
