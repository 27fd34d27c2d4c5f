"""What can go wrong, as exceptions a caller can act on. All of them are a ``CbDictError``."""

from __future__ import annotations

__all__ = [
    "CbDictError",
    "ConflictError",
    "EditRefused",
    "LimitError",
    "MissingExtra",
    "ParseError",
    "PathError",
    "PathSyntaxError",
    "TypeMismatch",
    "shown",
]


class CbDictError(Exception):
    """Any error of this package."""


class PathError(CbDictError, KeyError):
    """Nothing is at a path. ``path`` is as far as it failed, ``nearest`` the closest key there is, or ``None``."""

    def __init__(self, text: str, *, path: str = "", nearest: str | None = None) -> None:
        super().__init__(text)
        self.path = path
        self.nearest = nearest

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would show it in quotes


class PathSyntaxError(CbDictError, ValueError):
    """A text that is no path; ``column`` counts from 1."""

    def __init__(self, text: str, *, column: int = 1) -> None:
        super().__init__(text)
        self.column = column


class TypeMismatch(CbDictError, TypeError):
    """A value of the wrong kind for what was asked: the keys of a string, one added to a list."""


class ConflictError(CbDictError, ValueError):
    """Two documents that disagree where that was not allowed, or a patch whose ``test`` failed."""


class LimitError(CbDictError, ValueError):
    """A counter that would leave its bounds, or nesting that is too deep to follow."""


class MissingExtra(CbDictError, ImportError):
    """A format whose library is not installed; the message has the command that installs it."""


class EditRefused(CbDictError):
    """A change that cannot be made without touching more than it should; the message says why."""


class ParseError(CbDictError, ValueError):
    """A document that is not well-formed. ``line`` and ``column`` count from 1; 0 where they are not known."""

    def __init__(self, reason: str, *, file: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.file = file
        self.line = line
        self.column = column

    def __str__(self) -> str:
        name = self.file or "-"
        place = f"{name}:{self.line}:{self.column}" if self.line else name
        return f"{place}: {self.args[0]}"


def shown(value: object) -> str:
    """*value* for a message: its ``repr``, cut at 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
