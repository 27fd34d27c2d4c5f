"""From one dialect to another without looking at a single cell: bytes methods over whole pieces.

What lies inside quotes stays as it is. Outside, one ``translate`` changes the delimiters; fields that hold the new
delimiter, few as a rule, get quotes: found one by one where they are rare, by splitting at every delimiter where not.
Fields keep the quotes that they had. So the output depends neither on where pieces were cut nor on their number.
"""

from __future__ import annotations

import csv
import io

from cb_csv.dialect import Dialect, Quoting
from cb_csv.shape import ESCAPED, MARK, NEEDS_QUOTES, Proof, Shape

__all__ = ["Rewriter", "can_rewrite"]

_DENSE = 12
"""One field in so many needing quotes: then splitting all is quicker than searching each."""


def can_rewrite(target: Dialect) -> bool:
    """Whether `Rewriter` writes this dialect: quotes where needed, doubled inside, no escapes, one character."""
    return (
        target.quoting is Quoting.MINIMAL
        and target.quotechar is not None
        and target.doublequote
        and target.escapechar is None
        and not target.skipinitialspace
        and len(target.delimiter) == 1
    )


class Rewriter:
    """Writes proved pieces of a shape in the dialect *target*."""

    def __init__(self, shape: Shape, target: Dialect) -> None:
        source = shape.dialect
        self._quote = (target.quotechar or "").encode()
        self._old_quote = shape.quote
        self._delimiter = target.delimiter.encode()
        self._old_delimiter = shape.delimiter
        self._newline = target.newline.encode()
        self._old_newline = shape.newline
        self._escape = (source.escapechar or "").encode()
        self._plain_delimiter = source.delimiter.encode()
        self._one_column = shape.columns == 1
        self._columns = shape.columns or 8  # a guess, where rows are ragged
        self.identity: bool = (
            source.delimiter == target.delimiter
            and shape.quote == self._quote
            and shape.newline == self._newline
            and not (source.escapechar or source.skipinitialspace or self._one_column)
        )
        """Whether clean data is already what it shall become."""
        self._table: bytes | None = None
        if len(self._delimiter) == 1:
            table = bytearray(range(256))
            table[self._delimiter[0]] = NEEDS_QUOTES[0]
            table[self._old_delimiter[0]] = self._delimiter[0]
            self._table = bytes(table)

    def __call__(self, data: bytes, proof: Proof) -> bytes | None:
        """The piece in the new dialect; None where it must be read cell by cell."""
        if self.identity:
            return data
        outside = proof.outside
        if self._one_column and (self._old_newline * 2 in outside or outside.startswith(self._old_newline)):
            return None  # an empty line is an empty cell here, and needs quotes
        if self._quote != self._old_quote and (MARK * 2 in outside or self._quote in outside):
            return None  # quotes that are doubled now and need not be, or the other way round
        if self._table:
            outside = outside.translate(self._table)
        else:
            outside = outside.replace(self._delimiter, NEEDS_QUOTES).replace(self._old_delimiter, self._delimiter)
        if self._newline != self._old_newline:
            outside = outside.replace(self._old_newline, self._newline)
        if self._escape:
            outside = self._show_escaped(outside)
        if needing := outside.count(NEEDS_QUOTES):
            dense = needing * _DENSE > proof.records * self._columns
            if dense and len(proof.parts) == 1 and not self._escape:
                return self._write_dense(data)
            outside = self._quote_dense(outside) if dense else self._quote_rare(outside)
        parts = proof.parts
        if len(parts) == 1:
            return outside
        if self._escape or self._quote != self._old_quote:
            parts[1::2] = self._inside(parts[1::2])
        parts[::2] = outside.split(MARK)
        return self._quote.join(parts)

    def _show_escaped(self, outside: bytes) -> bytes:
        """Mark fields with characters that had been escaped and need quotes now; write out the others."""
        quote, delimiter, *breaks, escape = ESCAPED
        for private in (quote, *breaks):
            outside = outside.replace(private, NEEDS_QUOTES + private)
        if self._delimiter in self._plain_delimiter:
            outside = outside.replace(delimiter, NEEDS_QUOTES + delimiter)
        else:
            outside = outside.replace(delimiter, self._plain_delimiter)
        return outside.replace(escape, self._escape)

    def _field(self, field: bytes) -> bytes:
        """A field that needs quotes, with them, and with what was escaped in it."""
        quote = self._old_quote * (2 if self._old_quote == self._quote else 1) or self._quote * 2
        for private, plain in zip(ESCAPED, (quote, self._plain_delimiter, b"\n", b"\r"), strict=False):
            field = field.replace(NEEDS_QUOTES + private, plain)
        return self._quote + field.replace(NEEDS_QUOTES, self._delimiter) + self._quote

    def _quote_rare(self, text: bytes) -> bytes:
        """About a microsecond a field."""
        delimiter, newline, quote, find, rfind = self._delimiter, self._newline, self._quote, text.find, text.rfind
        before, after, escaped = len(delimiter), len(newline), bool(self._escape)
        out: list[bytes] = []
        done, at = 0, find(NEEDS_QUOTES)
        while at >= 0:
            start = max(done, rfind(delimiter, done, at) + before)
            line = rfind(newline, start, at)
            if line >= 0:
                start = line + after
            end = find(delimiter, at)
            line = find(newline, at, end) if end >= 0 else find(newline, at)
            if line >= 0:
                end = line
            field = text[start:end]
            if escaped:
                out += (text[done:start], self._field(field))
            else:
                out += (text[done:start], quote, field.replace(NEEDS_QUOTES, delimiter), quote)
            done, at = end, find(NEEDS_QUOTES, end)
        out.append(text[done:])
        return b"".join(out)

    def _write_dense(self, data: bytes) -> bytes:
        """Fields that had no quotes, so that none are to be kept: here the csv module is quicker still."""
        lines = data.decode().split(self._old_newline.decode())
        lines.pop()
        text = io.StringIO(newline="")
        writer = csv.writer(
            text,
            delimiter=self._delimiter.decode(),
            quotechar=self._quote.decode(),
            lineterminator=self._newline.decode(),
        )
        delimiter = self._plain_delimiter.decode()
        writer.writerows([line.split(delimiter) for line in lines])
        return text.getvalue().encode()

    def _quote_dense(self, text: bytes) -> bytes:
        """Some 60 ns for every field, whether it needs quotes or not."""
        between = self._delimiter + self._newline + self._delimiter
        fields = text.replace(self._newline, between).split(self._delimiter)
        done = [self._field(field) if NEEDS_QUOTES in field else field for field in fields]
        return self._delimiter.join(done).replace(between, self._newline)

    def _inside(self, inside: list[bytes]) -> list[bytes]:
        """What was within quotes, for other quotes and without escapes."""
        joined = MARK.join(inside)
        if self._quote != self._old_quote:
            joined = joined.replace(self._quote, self._quote * 2)
        if self._escape:
            quote = self._old_quote * (2 if self._old_quote == self._quote else 1)
            for private, plain in zip(ESCAPED, (quote, self._plain_delimiter, b"\n", b"\r", self._escape), strict=True):
                joined = joined.replace(private, plain)
        return joined.split(MARK)
