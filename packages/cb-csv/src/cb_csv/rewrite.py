"""From one dialect to another without looking at a single cell: bytes methods over whole pieces.

What lies inside quotes stays as it is. Outside, fields that hold the new delimiter, few as a rule, get quotes: found
one by one where they are rare, column by column where not; then one ``replace`` changes the delimiters. Fields keep the
quotes that they had. So the output depends neither on where pieces were cut nor on their number.
"""

from __future__ import annotations

import re

from cb_csv.dialect import Dialect, Quoting
from cb_csv.shape import ESCAPED, MARK, NEEDS_QUOTES, Proof, Shape

__all__ = ["Rewriter", "can_rewrite"]

_DENSE = 2
"""One record in so many with fields that need quotes: then splitting all is quicker than searching each."""


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
        self._columns = shape.columns
        self.identity: bool = (
            source.delimiter == target.delimiter
            and shape.quote == self._quote
            and shape.newline == self._newline
            and not (source.escapechar or source.skipinitialspace or self._columns == 1)
        )
        """Whether clean data is already what it shall become."""
        self._escapes = bool(source.escapechar)
        self._marks = self._escapes or len(self._delimiter) > 1
        self._needle = NEEDS_QUOTES if self._marks else self._delimiter
        self._but_needle = bytes(byte for byte in range(256) if byte not in self._needle + b"\n")
        if not self._marks and self._delimiter != self._old_delimiter:
            shape.watch(self._delimiter)
        meant = shape.quote or b'"'
        written = meant * 2 if meant == self._quote else meant
        plain = (written, source.delimiter.encode(), b"\n", b"\r", (source.escapechar or "").encode())
        self._plain = list(zip(ESCAPED, plain, strict=True)) if self._escapes else []
        """What stands for an escaped character, and what is written for it."""
        special = (b"\n", b"\r", self._quote * 2)
        self._needy = [one for one, text in self._plain if text in special or self._delimiter in text]
        """Of these, what needs quotes now."""
        # What lies before a field that needs quotes, and the field.
        old, needle, line_break, end = map(
            re.escape, (self._old_delimiter, self._needle, self._old_newline[-1:], self._old_newline[:1])
        )
        self._fields = re.compile(
            b"([^%b]*[%b%b]|)([^%b]*%b[^%b%b]*)" % (needle, old, line_break, needle, needle, old, end)
        )

    def __call__(self, data: bytes, proof: Proof) -> bytes | None:
        """The piece in the new dialect; None where it must be read cell by cell."""
        if self.identity:
            return data
        outside, needing = proof.outside, proof.watched
        if self._columns == 1 and (self._old_newline * 2 in outside or outside.startswith(self._old_newline)):
            return None  # an empty line is an empty cell here, and needs quotes
        if self._quote != self._old_quote and (MARK * 2 in outside or self._quote in outside):
            return None  # quotes that are doubled now and need not be, or the other way round
        if self._marks:
            outside = self._marked(outside)
            needing = outside.count(NEEDS_QUOTES)
        if needing * _DENSE > proof.records and self._columns:
            outside = self._quote_by_column(outside)
        elif needing:
            outside = self._quote_one_by_one(outside)
        if self._delimiter != self._old_delimiter:
            outside = outside.replace(self._old_delimiter, self._delimiter)
        if self._newline != self._old_newline:
            outside = outside.replace(self._old_newline, self._newline)
        if self._marks:
            outside = self._unmarked(outside)
        parts = proof.parts
        if len(parts) == 1:
            return outside
        if self._escapes or self._quote != self._old_quote:
            parts[1::2] = self._inside(parts[1::2])
        parts[::2] = outside.split(MARK)
        return self._quote.join(parts)

    def _marked(self, outside: bytes) -> bytes:
        """With a mark for each new delimiter, and one before each escaped character that needs quotes now."""
        if self._delimiter != self._old_delimiter:
            outside = outside.replace(self._delimiter, NEEDS_QUOTES)
        for private in self._needy:
            outside = outside.replace(private, NEEDS_QUOTES + private)
        return outside

    def _unmarked(self, outside: bytes) -> bytes:
        """With what the marks stand for."""
        for private in self._needy:
            outside = outside.replace(NEEDS_QUOTES + private, private)
        for private, plain in self._plain:
            outside = outside.replace(private, plain)
        return outside.replace(NEEDS_QUOTES, self._delimiter)

    def _quote_one_by_one(self, text: bytes) -> bytes:
        """About a microsecond a field that needs quotes."""
        last = text.rindex(self._needle)
        end = text.index(self._old_newline, last)
        before = text.find(self._old_delimiter, last, end)
        end = before if before >= 0 else end
        parts = self._fields.split(text[:end])
        del parts[::3]  # nothing lies between one match and the next
        return self._quote.join([*parts, text[end:]])

    def _quote_by_column(self, text: bytes) -> bytes:
        """Some 60 ns for every field. A column whose fields all need quotes gets them with its delimiters."""
        quote, delimiter, columns = self._quote, self._old_delimiter, self._columns
        fields = text.replace(self._old_newline, delimiter).split(delimiter)
        fields.pop()
        records = len(fields) // columns
        behind = [delimiter] * (columns - 1) + [self._old_newline]
        for number in range(columns):
            column = fields[number::columns]
            together = b"\n".join(column)
            if self._needle not in together:
                continue
            if together.translate(None, self._but_needle) == b"\n".join([self._needle] * records):
                behind[number - 1] += quote
                behind[number] = quote + behind[number]
            else:
                needle = self._needle[0]
                fields[number::columns] = [b"%b%b%b" % (quote, one, quote) if needle in one else one for one in column]
        pairs = [b""] * (2 * len(fields))
        pairs[::2], pairs[1::2] = fields, behind * records
        done = b"".join(pairs)
        return quote + done[: -len(quote)] if behind[-1].endswith(quote) else done

    def _inside(self, inside: list[bytes]) -> list[bytes]:
        """What was within quotes, for other quotes and without escapes."""
        joined = MARK.join(inside)
        if self._quote != self._old_quote:
            joined = joined.replace(self._quote, self._quote * 2)
        for private, plain in self._plain:
            joined = joined.replace(private, plain)
        return joined.split(MARK)
