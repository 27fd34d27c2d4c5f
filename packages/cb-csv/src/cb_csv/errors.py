"""What can go wrong, by what a caller can do about it. Every message is one line that ends with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cb_csv.fault import Fault

__all__ = ["CsvError", "DialectError", "EncodingUnknown", "FaultError", "HeaderMismatch", "LockTimeout"]


class CsvError(Exception):
    """The base of all errors of this package."""


class DialectError(CsvError, ValueError):
    """A dialect that cannot be: two roles for one character, or data that it has no way to write."""


class EncodingUnknown(CsvError, LookupError):
    """An encoding that Python does not know, or bytes that no encoding fits."""


class FaultError(CsvError, ValueError):
    """The data is not what its dialect says. `fault` has the place, `name` the file."""

    def __init__(self, fault: Fault, name: str = "-") -> None:
        self.fault: Fault = fault
        self.name: str = name
        super().__init__(f"{name}:{fault}")

    def __reduce__(self) -> tuple[type[FaultError], tuple[Fault, str]]:
        return type(self), (self.fault, self.name)  # it travels between processes


class HeaderMismatch(CsvError, ValueError):
    """Columns other than the file has. Nothing was written."""

    def __init__(self, expected: Sequence[str], found: Sequence[str], name: str = "-") -> None:
        self.expected: list[str] = list(expected)
        self.found: list[str] = list(found)
        missing = [column for column in expected if column not in found]
        extra = [column for column in found if column not in expected]
        differs = [f"missing {missing}"] * bool(missing) + [f"not in the file {extra}"] * bool(extra)
        what = "; ".join(differs) or f"order {self.found}, the file has {self.expected}"
        super().__init__(f"{name}: columns do not match: {what} (rename them, or write to another file)")


class LockTimeout(CsvError, TimeoutError):
    """Another process has kept the file locked for longer than the time given. Nothing was written."""
