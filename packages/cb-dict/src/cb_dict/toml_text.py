"""TOML as text that is changed in place, by tomlkit, which keeps what it does not change; read by tomllib."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from cb_dict.errors import EditRefused, LimitError, MissingExtra, ParseError, TypeMismatch
from cb_dict.path import Path, index_of
from cb_dict.raw import Bytes
from cb_dict.reading import get, is_list
from cb_dict.splice import Splice

__all__ = ["TomlText"]

_LONG: Final = re.compile(r"[0-9_]{4301}")
_BARE: Final = re.compile(r"(?<!\r)\n")


class TomlText:
    """A TOML document without a byte order mark. Methods answer with splices and change nothing."""

    def __init__(self, text: Bytes) -> None:
        try:
            self.text: str = bytes(text).decode()
            self.document: dict[str, Any] = tomllib.loads(self.text)
        except UnicodeDecodeError as error:
            raise ParseError("text that is not UTF-8 (convert it first)", line=1, column=1) from error
        except tomllib.TOMLDecodeError as error:
            raise _located(error, self.text) from error
        except ValueError as error:  # Python's limit of digits
            place = _LONG.search(self.text)
            before = self.text[: place.start() if place else 0].split("\n")
            what = "a number that is too long for Python (put it in quotes)"
            raise ParseError(what, line=len(before), column=len(before[-1]) + 1) from error
        except RecursionError as error:
            raise LimitError("the document is nested too deep to follow") from error

    def value(self, where: Path) -> Any:
        """The Python value at a path."""
        return get(self.document, where)

    def replace(self, where: Path, value: Any) -> list[Splice]:
        """Another value where one is."""
        if not where:
            raise EditRefused("the whole of a TOML document cannot be replaced in place (write a new file)")
        return self._changed(where, value, "replace")

    def insert(self, where: Path, value: Any) -> list[Splice]:
        """A value under a new key, or before the element at an index, or with ``-`` after the last one."""
        return self._changed(where, value, "insert")

    def remove(self, where: Path) -> list[Splice]:
        """Take out a value with its key."""
        return self._changed(where, None, "remove")

    def _changed(self, where: Path, value: Any, how: str) -> list[Splice]:
        try:
            import tomlkit
            from tomlkit.exceptions import TOMLKitError
            from tomlkit.items import InlineTable
        except ImportError as error:
            raise MissingExtra("changing TOML needs tomlkit: pip install 'cb-dict[toml]'") from error
        if value is None and how != "remove":
            raise TypeMismatch("TOML has no null (delete the key instead)")
        document = tomlkit.parse(self.text)
        parent: Any = document
        for step in where[:-1]:
            parent = parent[index_of(step) if is_list(parent) else step]
        last: Any = where[-1]
        if is_list(parent):
            last = len(parent) if last == "-" else index_of(last)
        try:
            if how == "remove":
                del parent[last]
            elif how == "insert" and isinstance(parent, list):
                parent.insert(last, value)
            else:
                old = parent[last] if how == "replace" else {}
                if isinstance(value, dict) and (not isinstance(old, dict) or isinstance(old, InlineTable)):
                    value = tomlkit.inline_table() | value  # a table would have to move
                parent[last] = value
            new = tomlkit.dumps(document)
            if "\r\n" in self.text and not _BARE.search(self.text):
                new = _BARE.sub("\r\n", new)
        except (TypeError, ValueError, TOMLKitError, LookupError, AttributeError) as error:
            raise EditRefused(f"{where}: this cannot be written there (null, or a value for a table?)") from error
        return _difference(self.text, new)


def _difference(old: str, new: str) -> list[Splice]:
    """One splice from the first byte that differs to the last."""
    before, after = old.encode(), new.encode()
    start = next(
        (at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    most = min(len(before), len(after)) - start
    tail = next((at for at in range(most) if before[-1 - at] != after[-1 - at]), most)
    return [Splice(start, len(before) - tail, after[start : len(after) - tail])]


def _located(error: tomllib.TOMLDecodeError, text: str) -> ParseError:
    found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
    reason = str(error)[: found.start()] if found else str(error)
    lines = text.split("\n")
    line, column = (int(found[1]), int(found[2])) if found and found[1] else (len(lines), len(lines[-1]) + 1)
    return ParseError(f"{reason} (is this TOML?)", line=line, column=column)
