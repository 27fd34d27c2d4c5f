"""What can go wrong, as exceptions a caller can act on."""

from __future__ import annotations

__all__ = [
    "BadRecord",
    "Incomparable",
    "ItemError",
    "LengthMismatch",
    "MapError",
    "MissingField",
    "UnpicklableFunction",
    "WorkerDied",
]


def _restore(kind: type[MapError], args: tuple[object, ...], cause: BaseException | None) -> MapError:
    """For pickle and copy: most errors are not made of their text, and a cause is worth keeping."""
    error = kind.__new__(kind)
    error.args = args
    error.__cause__ = cause
    return error


class MapError(Exception):
    """Any error of this package."""

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.args, self.__cause__), self.__dict__


class ItemError(MapError):
    """One item failed; `__cause__` is what the function raised, with the worker's traceback as a note.

    ``index`` counts the items from 0, ``args_`` is what the function was called with.
    """

    def __init__(self, index: int, args_: tuple[object, ...], cause: BaseException) -> None:
        shown = ", ".join(_short(value) for value in args_)
        super().__init__(f"item {index} ({shown}): {type(cause).__name__}: {cause}")
        self.index: int = index
        self.args_: tuple[object, ...] = args_
        error: BaseException = self
        error.__cause__ = cause


class WorkerDied(MapError):
    """The worker that ran an item ended, twice: killed, out of memory, crashed in C, ``os._exit``."""


class UnpicklableFunction(MapError, TypeError):
    """The function cannot be sent to another process."""


class LengthMismatch(MapError, ValueError):
    """In ``mode="strict"`` one iterable ended before the others."""


class MissingField(MapError, LookupError):
    """A record lacks a field that it must have."""

    def __init__(self, field: str) -> None:
        super().__init__(f"no field {field!r} (choose another policy for missing fields, or mend the record)")
        self.field: str = field


class Incomparable(MapError, TypeError):
    """Two records cannot be put in order: times with and without a zone, numbers and words."""


class BadRecord(MapError, ValueError):
    """A record that cannot be read, transformed or written.

    ``source`` is the file's name, ``line`` and ``column`` count from 1 (a column of 0: the whole line), ``raw`` holds
    its bytes as they stand in the file.
    """

    def __init__(self, source: str, line: int, column: int, reason: str, raw: bytes) -> None:
        super().__init__(f"{source}:{line}:{column or 1}: {reason}")
        self.source: str = source
        self.line: int = line
        self.column: int = column
        self.reason: str = reason
        self.raw: bytes = raw


class UsageProblem(MapError, ValueError):
    """A function or expression that was named, and cannot be had."""


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  # a broken __repr__ must not hide the error that is reported
        text = f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
    return text if len(text) <= 60 else f"{text[:57]}..."
