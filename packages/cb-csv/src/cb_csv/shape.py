"""What clean text of a dialect looks like, proved for 64 KiB at a time.

No character is looked at in Python. A piece is split at its quotes: every second part lies outside of them. Of the
outside, ``translate`` leaves only delimiters, line ends and control characters, and what is left must be the pattern
of a whole number of records: one memcmp proves the number of fields and the line end of each. First and last bytes of
the parts prove that quotes stand only around fields. What is not proved here is not wrong yet: `scan` looks closely.

All bytes are UTF-8. Bytes that UTF-8 never uses mark places within this module and `rewrite`; they cannot be in the
data, since that was proved to be UTF-8 first.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter

from cb_csv.dialect import Dialect

__all__ = ["ESCAPED", "MARK", "NEEDS_QUOTES", "WIDE", "Proof", "Shape"]

MARK: bytes = b"\xff"
"""Stands for a quote between the parts outside."""
NEEDS_QUOTES: bytes = b"\xfe"
"""Stands in a field without quotes for what needs them in the target."""
WIDE: bytes = b"\xfd"
"""Stands for a delimiter that is not one ASCII character."""
ESCAPED: tuple[bytes, ...] = (b"\xf8", b"\xf9", b"\xfa", b"\xfb", b"\xfc")
"""Stand for an escaped quote, delimiter, LF, CR and escape character."""

_FIRST = itemgetter(0)
_LAST = itemgetter(-1)
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_PATTERN = 1 << 17


@dataclass(slots=True)
class Proof:
    """A piece that is clean: split at its quotes, every second part outside; the outside joined with `MARK`."""

    parts: list[bytes]
    outside: bytes
    records: int
    lines: int
    watched: int
    """How often the byte that `Shape.watched` names stands outside."""


class Shape:
    """The pattern of a dialect's records of so many fields (0: any number) with this line end."""

    def __init__(self, dialect: Dialect, columns: int, newline: bytes) -> None:
        self.dialect: Dialect = dialect
        self.columns: int = columns
        self.newline: bytes = newline
        self.watched: bytes = b""
        delimiter = dialect.delimiter.encode()
        self._wide = delimiter if len(delimiter) > 1 else b""
        self.delimiter: bytes = WIDE if self._wide else delimiter
        self.quote: bytes = (dialect.quotechar or "").encode() if dialect.reads_quotes else b""
        self._escape = (dialect.escapechar or "").encode()
        controls = _CONTROLS.replace(self.delimiter, b"")  # \x1f was made to be a delimiter
        self._kept = b"\r\n" + controls + (self.delimiter if columns else b"")
        self._ordinary = _all_but(self._kept)
        self._harmless = _all_but(controls)
        self._record = (self.delimiter * (columns - 1) if columns else b"") + newline
        self._pattern = self._record * (_PATTERN // len(self._record) + 1)
        self._before = {self.delimiter[0], newline[-1]}
        self._after = {self.delimiter[0], newline[0]}

    def watch(self, byte: bytes) -> None:
        """Have proofs count a byte outside of quotes, at next to no cost. Clean text has no control characters."""
        self.watched = b"" if byte in _CONTROLS else byte
        self._ordinary = _all_but(self._kept + self.watched)

    def prove(self, piece: bytes) -> Proof | None:
        """Show that *piece*, which begins with a record, is clean and ends with one; None if it cannot be shown."""
        if not piece.endswith(self.newline):
            return None
        if not piece.isascii():
            try:
                piece.decode()
            except UnicodeDecodeError:
                return None
        data = piece
        if self._escape and self._escape in piece:
            data = self._hide_escaped(piece)
            if not data.endswith(self.newline):  # its last line break was escaped: the record goes on
                return None
        parts = data.split(self.quote) if self.quote else [data]
        if not len(parts) & 1:
            return None
        outside = parts[::2]
        if self._wide or self.dialect.skipinitialspace:
            outside = self._plain(outside)
            parts[::2] = outside
        inside = b"".join(parts[1::2])
        if len(parts) > 1 and not self._placed(outside, inside):
            return None
        joined = MARK.join(outside)
        structure = joined.translate(None, self._ordinary)
        watched = structure.count(self.watched) if self.watched else 0
        if watched:
            structure = structure.replace(self.watched, b"")
        if len(structure) > len(self._pattern):
            self._pattern = self._record * (len(structure) // len(self._record) + 1)
        records, rest = divmod(len(structure), len(self._record))
        if rest or not self._pattern.startswith(structure):
            return None
        line_break = self.newline[-1]
        lines = records + inside.count(line_break) if data is piece else piece.count(line_break)
        return Proof(parts, joined, records, lines, watched)

    def _placed(self, outside: list[bytes], inside: bytes) -> bool:
        """Whether quotes stand only around fields, and nothing is between them that may not be."""
        if not self._before.issuperset(map(_LAST, filter(None, outside[:-1]))):
            return False
        if not self._after.issuperset(map(_FIRST, filter(None, outside[1:]))):
            return False
        if not self.dialect.doublequote and b"" in outside[1:]:
            return False
        return not inside.translate(None, self._harmless)

    def _plain(self, outside: list[bytes]) -> list[bytes]:
        """The parts outside with a delimiter of one byte, and without the spaces that do not count."""
        joined = MARK.join(outside)
        if self._wide:
            joined = joined.replace(self._wide, WIDE)
        if self.dialect.skipinitialspace:
            joined = joined.lstrip(b" ")
            for before in (self.delimiter, self.newline[-1:]):
                while before + b" " in joined:
                    joined = joined.replace(before + b" ", before)
        return joined.split(MARK)

    def _hide_escaped(self, piece: bytes) -> bytes:
        """Every escape sequence as one byte that means nothing to the rest. Runs of escapes pair up from the left."""
        escape = self._escape
        hidden = piece.replace(escape * 2, ESCAPED[4])
        meant = (self.quote or b'"', self.dialect.delimiter.encode(), b"\n", b"\r")
        for plain, private in zip(meant, ESCAPED, strict=False):
            hidden = hidden.replace(escape + plain, private)
        return hidden.replace(escape, b"")


def _all_but(kept: bytes) -> bytes:
    return bytes(byte for byte in range(256) if byte not in kept)
