"""One record as text, by any of the six quoting strategies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain, repeat

from cb_csv.dialect import Dialect, Quoting
from cb_csv.errors import DialectError

__all__ = ["Cell", "RowFormatter", "guarded"]

Cell = str | int | float | bool | None
"""What a cell can be; other objects are written as ``str()`` has them."""

_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_FORMULA = re.compile(r"[=+\-@\t\r]")


def guarded(value: str) -> str:
    """The cell with an apostrophe before it, if a spreadsheet would take it for a formula. Numbers are left alone.

    Source: https://owasp.org/www-community/attacks/CSV_Injection

    >>> guarded("=1+2"), guarded("-5"), guarded("@SUM(A1)"), guarded("a=b")
    ("'=1+2", '-5', "'@SUM(A1)", 'a=b')
    """
    return f"'{value}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else value


class RowFormatter:
    """Writes records of a dialect.

    >>> RowFormatter(Dialect(quoting=Quoting.STRINGS)).record(["a", 1, None])
    '"a",1,\\r\\n'
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect: Dialect = dialect
        self._quote = dialect.quotechar or ""
        special = "".join(re.escape(char) for char in ("\r", "\n", self._quote, dialect.escapechar or "") if char)
        special += re.escape(dialect.delimiter[0])  # of a longer one, too: the next delimiter would complete it
        self._special = re.compile(rf"[{special}]")

    def record(self, values: Iterable[object], quoted: Sequence[bool] = (), *, numeric_text: bool = False) -> str:
        """The values as one record, with its line end.

        Args:
            values: None is written as nothing, anything else as ``str()`` has it.
            quoted: Fields that had quotes, and keep them.
            numeric_text: NONNUMERIC takes text that is a number for a number.

        Raises:
            DialectError: Without quotes and escapes a value cannot be written.
        """
        had_quotes = chain(quoted, repeat(False))
        fields = [
            self._field(value, had_quotes=had, numeric_text=numeric_text)
            for value, had in zip(values, had_quotes, strict=False)
        ]
        if len(fields) == 1 and not fields[0]:
            if not self._quote or self.dialect.quoting is Quoting.NONE:
                raise DialectError("a row with one empty field cannot be written without quotes (allow them)")
            fields = [self._quote * 2]
        return self.dialect.delimiter.join(fields) + self.dialect.newline

    def _field(self, value: object, *, had_quotes: bool, numeric_text: bool) -> str:
        text = "" if value is None else str(value)
        quoting = self.dialect.quoting
        special = self._special.search(text)
        if not self._quote or quoting is Quoting.NONE:
            return self._escape(text) if special else text
        wants = (
            had_quotes
            or special is not None
            or quoting is Quoting.ALL
            or (quoting is Quoting.NOTNULL and value is not None)
            or (quoting is Quoting.STRINGS and isinstance(value, str))
            or (quoting is Quoting.NONNUMERIC and not _is_number(value, numeric_text=numeric_text))
        )
        return f"{self._quote}{self._inside(text) if special else text}{self._quote}" if wants else text

    def _inside(self, text: str) -> str:
        """What stands between the quotes."""
        escape, quote = self.dialect.escapechar, self._quote
        if escape:
            text = text.replace(escape, escape * 2)
        if self.dialect.doublequote:
            return text.replace(quote, quote * 2)
        if quote in text and not escape:
            raise DialectError(f"a quote in {text[:20]!r} cannot be written (double it, or name an escape character)")
        return text.replace(quote, f"{escape}{quote}")

    def _escape(self, text: str) -> str:
        escape = self.dialect.escapechar
        if not escape:
            raise DialectError(f"{text[:20]!r} needs quotes or an escape character (allow one of them)")
        return self._special.sub(lambda match: escape + match[0], text)


def _is_number(value: object, *, numeric_text: bool) -> bool:
    if isinstance(value, str):
        return numeric_text and _NUMBER.fullmatch(value) is not None
    return isinstance(value, (int, float))
