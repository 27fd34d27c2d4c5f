"""How a delimited file is written: its delimiter, quotes, escapes and line ends."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass

from cb_csv.errors import DialectError

__all__ = ["RFC4180", "Dialect", "Quoting"]


class Quoting(enum.StrEnum):
    """Which fields get quotes when written; the six strategies of Python 3.12's csv module, on 3.11 too."""

    MINIMAL = "minimal"
    """Those that need them: a delimiter, quote, CR or LF inside, or alone and empty in their row."""
    ALL = "all"
    """Every field."""
    NONNUMERIC = "nonnumeric"
    """All but numbers. Read: what has no quotes is a float, and anything else without quotes is a fault."""
    NONE = "none"
    """No field; what would need quotes is escaped, or refused without an escape character. Read: quotes are text."""
    STRINGS = "strings"
    """Every string, and nothing else. Read: as NONNUMERIC, but empty without quotes is None."""
    NOTNULL = "notnull"
    """All but None. Read: empty without quotes is None."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How fields and records are written.

    Args:
        delimiter: Between fields; any text, of one character or several.
        quotechar: One ASCII character around fields, or None where quotes mean nothing.
        escapechar: One ASCII character that takes the meaning from the next one, or None.
        doublequote: Two quotes inside a quoted field stand for one.
        skipinitialspace: Spaces after a delimiter do not belong to the field.
        newline: The line end that is written, and that `check` wants. Reading takes any.
        quoting: Which fields get quotes when written.

    Raises:
        DialectError: One character cannot play two roles.

    >>> Dialect(";", newline="\\n")
    Dialect(delimiter=';', quotechar='"', escapechar=None, ..., newline='\\n', quoting=<Quoting.MINIMAL: 'minimal'>)
    >>> Dialect('"')
    Traceback (most recent call last):
        ...
    cb_csv.errors.DialectError: '"' cannot be the delimiter and the quote character (choose another for one of them)
    """

    delimiter: str = ","
    quotechar: str | None = '"'
    escapechar: str | None = None
    doublequote: bool = True
    skipinitialspace: bool = False
    newline: str = "\r\n"
    quoting: Quoting = Quoting.MINIMAL

    def __post_init__(self) -> None:
        if not self.delimiter or "\n" in self.delimiter or "\r" in self.delimiter:
            raise DialectError(f"{self.delimiter!r} cannot be a delimiter (use a character that is no line break)")
        for role, char in (("quote character", self.quotechar), ("escape character", self.escapechar)):
            if char is None:
                continue
            if len(char) != 1 or not char.isascii() or char in "\r\n":
                raise DialectError(f"{char!r} cannot be the {role} (use one ASCII character)")
            if char in self.delimiter:
                raise DialectError(f"{char!r} cannot be the delimiter and the {role} (choose another for one of them)")
        if self.quotechar is not None and self.quotechar == self.escapechar:
            raise DialectError(f"{self.quotechar!r} cannot be quote and escape (leave the escape out: it is doubled)")
        if self.newline not in ("\r\n", "\n", "\r"):
            raise DialectError(f"{self.newline!r} is no line end (use CRLF, LF or CR)")

    @property
    def reads_quotes(self) -> bool:
        """Whether quotes mean anything when this is read."""
        return self.quotechar is not None and self.quoting is not Quoting.NONE

    def as_dict(self) -> dict[str, str | bool | None]:
        """Everything, as for JSON."""
        return {**asdict(self), "quoting": self.quoting.value}


RFC4180: Dialect = Dialect()
"""Commas, double quotes doubled inside, CRLF: https://www.rfc-editor.org/rfc/rfc4180"""
