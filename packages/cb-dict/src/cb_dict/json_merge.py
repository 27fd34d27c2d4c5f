"""Merging into JSON text: what both have the same is not looked into, what stays is not written anew."""

from __future__ import annotations

from typing import Any

from cb_dict.diffing import operations
from cb_dict.errors import ConflictError, shown
from cb_dict.json_text import JsonText
from cb_dict.merging import Conflict, Lists, merge
from cb_dict.path import Path
from cb_dict.raw import Raw, decoded, encoded, first, opened
from cb_dict.splice import Splice

__all__ = ["merged", "plain"]


def merged(document: JsonText, other: Any, *, lists: Lists = "replace", conflict: Conflict = "right") -> list[Splice]:
    """The splices that merge *other*, a Python value or a Raw, into *document*; the rules are those of ``merge``."""
    merge({}, {}, lists=lists, conflict=conflict)  # raises for what is no policy
    splices: list[Splice] = []

    def visit(left: Raw, right: Any, where: Path) -> None:
        new = opened(right) if isinstance(right, Raw) else right
        if first(left) == b"{" and isinstance(new, dict):
            level = opened(left)
            for key, value in new.items():
                if key in level:
                    visit(level[key], value, where / key)
            fresh = [(encoded(key), value) for key, value in new.items() if key not in level]
            if fresh:
                splices.extend(document.extend(left, list(level.values()), fresh))
        elif lists != "replace" and first(left) == b"[" and isinstance(new, list):
            if lists == "append" and new:
                splices.extend(document.extend(left, opened(left), [(b"", value) for value in new]))
            elif lists != "append":
                whole = merge(decoded(left), plain(right), lists=lists, conflict=conflict)
                change(left, whole, where)
        elif conflict != "left":
            change(left, right, where)

    def change(left: Raw, right: Any, where: Path) -> None:
        other_text = right if isinstance(right, Raw) else Raw(encoded(right))
        if not any(True for _ in operations(left, other_text)):
            return
        if conflict == "error":
            raise ConflictError(f"{where or 'the document'}: {shown(decoded(left))} here, {shown(plain(right))} there")
        splices.extend(document.exchange(left, right, named=bool(where)))  # found already

    visit(document.find(Path()), other, Path())
    return splices


def plain(value: Any) -> Any:
    """The Python value of a Raw; others as they are."""
    return decoded(value) if isinstance(value, Raw) else value
