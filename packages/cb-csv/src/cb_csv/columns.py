"""Types of cells, from the text of a cell."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["CellType", "narrowest", "number_of", "type_of"]

CellType = Literal["empty", "bool", "int", "float", "date", "datetime", "text"]

_INT = re.compile(r"[-+]?\d+")
_FLOAT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_DATE = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])")
_TIME = r"[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:Z|[-+]\d{2}:?\d{2})?"
_DATETIME = re.compile(_DATE.pattern + _TIME)
_BOOL = frozenset({"true", "false", "yes", "no"})
_WIDER: dict[frozenset[CellType], CellType] = {
    frozenset({"int", "float"}): "float",
    frozenset({"date", "datetime"}): "datetime",
}


def type_of(cell: str) -> CellType:
    """The narrowest type of one cell.

    >>> [type_of(cell) for cell in ("", "yes", "-1", "1e3", "2024-02-29", "2024-02-29 12:30", "1,5")]
    ['empty', 'bool', 'int', 'float', 'date', 'datetime', 'text']
    """
    if not cell:
        return "empty"
    if _INT.fullmatch(cell):
        return "int"
    if _FLOAT.fullmatch(cell):
        return "float"
    if cell.lower() in _BOOL:
        return "bool"
    if _DATE.fullmatch(cell):
        return "date"
    return "datetime" if _DATETIME.fullmatch(cell) else "text"


def narrowest(first: CellType, second: CellType) -> CellType:
    """The narrowest type that takes cells of both."""
    if second in (first, "empty"):
        return first
    if first == "empty":
        return second
    return _WIDER.get(frozenset({first, second}), "text")


def number_of(cell: str) -> float | None:
    """The cell as a number, None if it is none."""
    return float(cell) if _FLOAT.fullmatch(cell) else None
