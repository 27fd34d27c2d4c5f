"""Rows as objects of a class of yours: a dataclass, a TypedDict or a NamedTuple."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Iterator
from datetime import date, time
from decimal import Decimal
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from cb_csv.dialect import Dialect
from cb_csv.errors import CsvError
from cb_csv.opening import opened
from cb_csv.rows import column_names, rows_and_lines
from cb_csv.source import Readable

__all__ = ["read_as"]

T = TypeVar("T")

_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def read_as(
    cls: type[T], src: Readable, dialect: Dialect | None = None, *, encoding: str | None = None, skip: int | None = None
) -> Iterator[T]:
    """Yield every row as a *cls*, its cells converted to the types of the fields of the same names.

    Args:
        cls: A dataclass, TypedDict or NamedTuple, with fields of str, int, float, bool, Decimal, date, datetime, time,
            UUID, an Enum (by value or name), or such a type ``| None``, for which an empty cell is None.
        src: As for `read_rows`.
        dialect: As for `read_rows`.
        encoding: As for `read_rows`.
        skip: As for `read_rows`.

    Columns that the class does not have are passed over; one that it has and the file has not, must have a default.

    Raises:
        CsvError: A column is missing, or a cell is no such value; the message has line, record and column.
        FaultError: The data is not what its dialect says.
        TypeError: The class has a field of a type that cells cannot be.

    >>> import io
    >>> from typing import NamedTuple
    >>> class Person(NamedTuple):
    ...     name: str
    ...     age: int | None
    >>> list(read_as(Person, io.StringIO("age,name\\r\\n30,John\\r\\n,Jane\\r\\n")))
    [Person(name='John', age=30), Person(name='Jane', age=None)]
    """
    fields = {name: _converter(hint, f"{cls.__name__}.{name}") for name, hint in get_type_hints(cls).items()}
    required = _required(cls, fields)
    with opened(src, dialect, encoding, skip=skip) as walker:
        names: list[str] | None = None
        for record, (line, row) in enumerate(rows_and_lines(walker), 1):
            if names is None:
                names = column_names(row, "error", walker.source.name)
                if missing := [name for name in required if name not in names]:
                    raise CsvError(f"{walker.source.name}:{line}: no column {missing[0]!r} for {cls.__name__} (add it)")
                continue
            values: dict[str, Any] = {}
            for name, cell in zip(names, row, strict=True):
                if name in fields:
                    try:
                        values[name] = fields[name](cell)
                    except (ValueError, ArithmeticError, LookupError) as error:
                        where = f"{walker.source.name}:{line}: record {record}, column {name!r}"
                        raise CsvError(f"{where}: {cell[:30]!r} is no {_called(cls, name)} (correct it)") from error
            yield cls(**values)


def _called(cls: type, name: str) -> str:
    hint = get_type_hints(cls)[name]
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _required(cls: type, fields: dict[str, Any]) -> list[str]:
    """The fields without a default."""
    if typing.is_typeddict(cls):
        hints = get_type_hints(cls, include_extras=True)  # __required_keys__ is wrong where annotations are strings
        if getattr(cls, "__total__", True):
            return [name for name, hint in hints.items() if get_origin(hint) is not typing.NotRequired]
        return [name for name, hint in hints.items() if get_origin(hint) is typing.Required]
    defaults = getattr(cls, "_field_defaults", None)
    if defaults is None:
        import dataclasses

        nothing = dataclasses.MISSING
        return [
            one.name
            for one in dataclasses.fields(cls)  # TypeError for other classes is meant
            if one.init and one.default is nothing and one.default_factory is nothing
        ]
    return [name for name in fields if name not in defaults]


def _converter(hint: Any, name: str) -> Callable[[str], Any]:
    """What makes a value of the type out of a cell."""
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [one for one in get_args(hint) if one is not type(None)]
        if len(options) == 1 and len(get_args(hint)) == 2:
            inner = _converter(options[0], name)
            return lambda cell: inner(cell) if cell else None
    if hint is bool:
        return lambda cell: _BOOLEANS[cell.strip().lower()]
    if isinstance(hint, type):
        if issubclass(hint, enum.Enum):
            members = {str(member.value): member for member in hint} | {member.name: member for member in hint}
            return lambda cell: members[cell]
        if hint in (str, int, float, Decimal, UUID):
            return hint
        if issubclass(hint, (date, time)):  # and datetime, which is a date
            return hint.fromisoformat
    raise TypeError(f"{name}: cells cannot be {hint!r} (use str, int, Decimal, date, an Enum ... or | None)")
