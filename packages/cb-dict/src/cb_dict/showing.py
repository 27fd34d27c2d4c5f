"""What ``cb-dict get`` does. It is here, and not beside the other commands, so that the plain form needs no click."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cb_dict.cli_io import emit, opened, typed
from cb_dict.document import Document
from cb_dict.errors import ParseError, PathError
from cb_dict.formats import Format, dumps
from cb_dict.lines_text import records
from cb_dict.path import Path, path
from cb_dict.raw import decoded
from cb_dict.reading import MISSING
from cb_dict.validating import check_utf8

__all__ = ["plain", "show"]


def plain(words: Sequence[str]) -> Callable[[], None] | None:
    """What ``get FILE PATH...`` without options does; None for other words, which click reads."""
    if len(words) < 2 or words[0] != "get" or any(word.startswith("-") and word != "-" for word in words):
        return None
    return lambda: show(words[1], words[2:])


def show(
    file: str,
    paths: Sequence[str],
    *,
    form: Format | None = None,
    raw: bool = False,
    default: str | None = None,
    lines: bool = False,
    strict: bool = False,
) -> None:
    """Print what stands at each path of the document in a file, as it is written there."""
    places = [path(one) for one in paths or ("",)]
    with opened(file, "jsonl" if lines else form) as document:
        if strict:
            check_utf8(document.view())
        if not lines:
            for one in places:
                _print(document, one, raw=raw, default=default)
            return
        text = document.view()
        for number, start, end in records(text):
            record = Document(text[start:end])
            try:
                for one in places:
                    _print(record, one, raw=raw, default=default)
            except ParseError as error:
                raise ParseError(str(error.args[0]), line=number, column=error.column) from error
            except PathError as error:
                raise PathError(f"line {number}: {error}", path=error.path, nearest=error.nearest) from error


def _print(document: Document, place: Path, *, raw: bool, default: str | None) -> None:
    for one in document.raw(place, MISSING if default is None else typed(default, "")):
        text: Any = one
        if raw and bytes(one[:1]) == b'"':
            with document.located():
                text = decoded(one).encode()
        elif document.format in ("yaml", "toml"):
            text = dumps(decoded(one), "json").rstrip(b"\n")
        emit([text, b"\n"])
