"""What can go wrong and what to do about it: one base class, a subclass for each thing that a caller can act on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Self

__all__ = ["ConfigError", "ContactsError", "FormatError", "LogError", "ReadError"]


class LogError(Exception):
    """Base of this package's exceptions."""


class ConfigError(LogError, ValueError):
    """A setting has a value that cannot be.

    Attributes:
        field: The setting, as it was written.
        value: What it was given.
        valid: The values that would do, where they can be listed.
    """

    field: str
    value: object
    valid: tuple[str, ...]

    def __init__(self, field: str, value: object, problem: str, valid: Iterable[str] = ()) -> None:
        self.field, self.value, self.valid = field, value, tuple(valid)
        choices = f" (use one of: {', '.join(self.valid)})" if self.valid else ""
        super().__init__(f"{field}: {value!r} {problem}{choices}")

    @classmethod
    def in_file(cls, path: str | os.PathLike[str], problem: str) -> Self:
        """Of a file that cannot be read as what it is; the problem begins with line and column."""
        made = cls(os.fspath(path), "", problem)
        made.args = (f"{made.field}:{problem}",)
        return made


class FormatError(ConfigError):
    """A format has a field that no record has, or that is not written as one.

    Attributes:
        position: Where it begins in the format, from 0.
    """

    position: int

    def __init__(self, value: str, position: int, problem: str, valid: Iterable[str] = ()) -> None:
        self.position = position
        super().__init__("format", value, f"at position {position}: {problem}", valid)


class ReadError(LogError):
    """A log cannot be read as what it was said to be."""


class ContactsError(LogError):
    """A contacts file cannot be used, or a contact does not fit it."""
