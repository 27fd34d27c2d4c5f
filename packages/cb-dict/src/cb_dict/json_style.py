"""How new JSON is written so that it looks like what stands around it."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from cb_dict.raw import Raw, encoded, first

__all__ = ["gap_before", "line_start", "written"]

_INDENT: Final = re.compile(rb"[ \t]*")
_UNIT: Final = re.compile(rb"[{\[](\r?\n)([ \t]+)")


def written(value: Any, text: memoryview, near: int, *, lines: bool, deeper: bool = False) -> bytes:
    """*value* as JSON; with *lines*, over several of them, indented as that of *near* is, if the document has lines.

    A ``Raw`` is written as it is. *deeper*: it stands one level below that line.
    """
    if isinstance(value, Raw):
        return bytes(value)
    made = encoded(value)
    if first(made) not in b"{[":
        return made
    if not (style := lines and _style(text)):
        tight = re.search(rb'":\S', bytes(text[: 1 << 16]))
        return made if tight else msgspec.json.format(made, indent=0)
    newline, unit = style
    pretty = msgspec.json.format(made, indent=1 if unit[:1] == b"\t" else len(unit))
    if unit[:1] == b"\t":
        pretty = re.sub(rb"(?m)^ +", lambda spaces: b"\t" * len(spaces[0]), pretty)
    return pretty.replace(b"\n", newline + _indent(text, near) + (unit if deeper else b""))


def gap_before(text: memoryview, near: int, *, deeper: bool = False) -> bytes:
    """The newline and indentation for the line after that of *near*; nothing in a document of one line."""
    style = _style(text)
    if not style:
        return b""
    return style[0] + _indent(text, near) + (style[1] if deeper else b"")


def line_start(text: memoryview, at: int) -> int:
    """Where the line of *at* starts."""
    size = 256
    while True:
        begin = max(0, at - size)
        found = bytes(text[begin:at]).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        if begin == 0:
            return 0
        size *= 8


def _indent(text: memoryview, at: int) -> bytes:
    found = _INDENT.match(text, line_start(text, at))
    return found[0] if found else b""


def _style(text: memoryview) -> tuple[bytes, bytes] | None:
    """The newline and the step of indentation, of a document that has lines."""
    found = _UNIT.search(text[: 1 << 16])
    return (found[1], found[2]) if found else None
