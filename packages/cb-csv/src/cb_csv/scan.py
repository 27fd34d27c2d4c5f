"""One record at a time, exactly: what its fields are, what is wrong with it, and where it most likely ends.

Slow, so only for what `shape` could not prove. Where a quote or a line break is out of place there are several ways to
read on. Each is tried, and the one that gives the number of fields that the file has, with the fewest faults, over the
fewest characters, is taken: so the reading falls back into step within the damaged record instead of carrying a
mistaken quote through the rest of the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cb_csv.dialect import Dialect

__all__ = ["Flaw", "Incomplete", "Record", "Scanner"]

_TRIES = 8
_UNDECODABLE = re.compile("[\ud800-\udfff]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Incomplete(Exception):
    """The record goes on behind the text at hand."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """A fault by its place in the text."""

    code: str
    index: int
    field: int
    detail: str = ""


@dataclass(slots=True)
class Record:
    """What was read as one record, and how."""

    start: int
    end: int = 0
    values: list[str] = field(default_factory=list)
    quoted: list[bool] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    tails: list[int] = field(default_factory=list)
    """The closing quotes behind which text follows."""
    openings: list[int] = field(default_factory=list)
    """The quotes that open a field of several lines, or one that nothing closes."""
    newline: str = ""
    newline_at: int = 0


class Scanner:
    """Reads records of a dialect. *columns* 0: any number; *newline* "": any."""

    def __init__(self, dialect: Dialect, columns: int = 0, newline: str = "") -> None:
        self.dialect: Dialect = dialect
        self.columns: int = columns
        self.newline: str = newline
        self._quote = (dialect.quotechar or "") if dialect.reads_quotes else ""
        delimiter, escape, quote = (
            re.escape(one or "") for one in (dialect.delimiter, dialect.escapechar, self._quote)
        )
        first = re.escape(dialect.delimiter[0])
        pair = rf"|{escape}[\s\S]" if escape else ""
        part = rf"|(?!{delimiter}){first}" if len(dialect.delimiter) > 1 else ""
        # Up to a delimiter or line break, and up to a quote. The alternatives exclude each other.
        self._plain = re.compile(rf"(?:[^\r\n{first}{escape}]+{part}{pair})*")
        self._inside = re.compile(rf"(?:[^{quote}{escape}]+{pair})*") if quote else self._plain
        self._escaped = re.compile(rf"{escape}([\s\S])") if escape else None

    def record(self, text: str, start: int, *, whole: bool) -> Record:
        """Read the record that starts at *start*. *whole*: nothing follows *text*.

        Raises:
            Incomplete: The text ends before the record does.
        """
        read = self._read(text, start, frozenset(), whole=whole)
        if read.tails or read.openings or (self.columns and len(read.values) != self.columns):
            read = min((*self._otherwise(text, read, whole=whole), read), key=lambda one: self._doubt(text, one))
        self._count(read)
        self._look_inside(text, read)
        read.flaws.sort(key=lambda flaw: flaw.index)
        return read

    def _doubt(self, text: str, read: Record) -> tuple[bool, int, int]:
        """How unlikely it is that the record was meant like this: the least is taken."""
        odd = bool(self.columns) and len(read.values) != self.columns
        if self.columns and not odd and any(flaw.code == "unterminated-quote" for flaw in read.flaws):
            odd = not self._goes_on(text, read.end)
        return odd, len(read.flaws), read.end

    def _goes_on(self, text: str, start: int) -> bool:
        """Whether a sound record follows, as far as can be seen."""
        try:
            following = self._read(text, start, frozenset(), whole=False)
        except Incomplete:
            return True
        return len(following.values) == self.columns and not following.flaws

    def _otherwise(self, text: str, read: Record, *, whole: bool) -> list[Record]:
        """Other ways to read the same record."""
        found: list[Record] = []
        if not read.flaws and self.columns in (0, len(read.values)):
            return found
        if read.tails:
            loose = self._read(text, read.start, frozenset(), whole=whole, loose=True)
            found += [] if loose.openings else [loose]
        for opening in read.openings[:_TRIES]:
            found.append(self._read(text, read.start, frozenset([opening]), whole=whole))
        last, literal = read, set[int]()
        while self.newline and len(last.values) < self.columns and last.newline not in ("", self.newline):
            literal.add(last.newline_at)
            if len(literal) > _TRIES:
                break
            last = self._read(text, read.start, frozenset(literal), whole=whole)
            found.append(last)
        return found

    def _read(self, text: str, start: int, literal: frozenset[int], *, whole: bool, loose: bool = False) -> Record:
        """One way to read: characters at *literal* mean themselves; *loose*: a quote closes only before a delimiter."""
        read = Record(start)
        position, delimiter, quote = start, self.dialect.delimiter, self._quote
        while True:
            if self.dialect.skipinitialspace:
                while text.startswith(" ", position):
                    position += 1
            read.starts.append(position)
            value, quoted = "", False
            if quote and text.startswith(quote, position) and position not in literal:
                value, position = self._quoted(text, position, read, whole=whole, loose=loose)
                quoted = True
            rest, position = self._unquoted(text, position, read, literal, whole=whole)
            read.values.append(value + rest)
            read.quoted.append(quoted)
            if text.startswith(delimiter, position):
                position += len(delimiter)
                continue
            read.newline_at = position
            if text.startswith("\r\n", position):
                read.newline = "\r\n"
            elif position < len(text):
                read.newline = text[position]
            read.end = position + len(read.newline)
            if not whole and read.end == len(text):  # perhaps CR of a CRLF, perhaps no end of anything
                raise Incomplete
            if not read.newline:
                read.flaws.append(Flaw("no-final-newline", position, len(read.values)))
            elif self.newline and read.newline != self.newline:
                code = "bare-cr" if self.newline == "\n" or read.newline == "\r" else "bare-lf"
                read.flaws.append(Flaw(code, position, len(read.values)))
            return read

    def _quoted(self, text: str, start: int, read: Record, *, whole: bool, loose: bool) -> tuple[str, int]:
        """The value of the quoted field at *start*, and where it ends."""
        quote, number = self._quote, len(read.starts)
        value, position = [], start + 1
        while True:
            end = _end(self._inside, text, position)
            value.append(self._unescaped(text[position:end]))
            if end >= len(text):
                if not whole:
                    raise Incomplete
                read.openings.append(start)
                read.flaws.append(Flaw("unterminated-quote", start, number))
                return "".join(value), len(text)
            position = end + 1
            if self.dialect.doublequote and text.startswith(quote, position):
                value.append(quote)
                position += 1
                continue
            if position < len(text) and not self._ends(text, position):
                read.tails.append(end)
                if not loose or not read.flaws or read.flaws[-1].code != "text-after-quote":
                    read.flaws.append(Flaw("text-after-quote", position, number))
                if loose:
                    value.append(quote)
                    continue
            if "\n" in text[start:position] or "\r" in text[start:position]:
                read.openings.append(start)
            return "".join(value), position

    def _ends(self, text: str, position: int) -> bool:
        return text[position] in "\r\n" or text.startswith(self.dialect.delimiter, position)

    def _unquoted(
        self, text: str, start: int, read: Record, literal: frozenset[int], *, whole: bool
    ) -> tuple[str, int]:
        """The text up to the next delimiter or line break, and where it ends. Quotes in it are stray."""
        position, number = start, len(read.starts)
        while True:
            position = _end(self._plain, text, position)
            if position in literal and text[position : position + 1] in ("\r", "\n"):
                read.flaws.append(Flaw("unquoted-newline", position, number))
                position += 1
                continue
            break
        if position >= len(text) and not whole:
            raise Incomplete
        raw = text[start:position]
        if self._quote and self._quote in raw:
            tail = bool(read.tails) and read.tails[-1] == start - 1
            escape, at = self.dialect.escapechar, raw.find(self._quote)
            while at >= 0:
                if start + at in literal:
                    read.flaws.append(Flaw("unterminated-quote", start + at, number))
                elif not tail and not (escape and raw[at - 1 : at] == escape):
                    read.flaws.append(Flaw("stray-quote", start + at, number))
                at = raw.find(self._quote, at + 1)
        return self._unescaped(raw), position

    def _unescaped(self, text: str) -> str:
        return self._escaped.sub(r"\1", text) if self._escaped else text

    def _count(self, read: Record) -> None:
        """Add what is wrong with the number of fields."""
        found = len(read.values)
        if not self.columns or found == self.columns:
            return
        if read.values == [""] and not read.quoted[0]:
            read.flaws.append(Flaw("blank-line", read.start, 1))
        elif found < self.columns:
            detail = f"{found} of {self.columns} fields"
            read.flaws.append(Flaw("missing-fields", read.newline_at, found, detail))
        else:
            detail = f"{found} instead of {self.columns} fields"
            read.flaws.append(Flaw("extra-fields", read.starts[self.columns], self.columns + 1, detail))

    def _look_inside(self, text: str, read: Record) -> None:
        """Add characters that do not belong into text."""
        raw = text[read.start : read.end]

        def number(index: int) -> int:
            return sum(start <= index for start in read.starts) or 1

        for match in _UNDECODABLE.finditer(raw):
            index = read.start + match.start()
            read.flaws.append(Flaw("bad-encoding", index, number(index), _shown(match[0])))
        for match in _CONTROL.finditer(raw):
            if match[0] == self.dialect.delimiter:
                continue
            index = read.start + match.start()
            code = "control-character" if match[0] != "\0" else "nul"
            read.flaws.append(Flaw(code, index, number(index), f"U+{ord(match[0]):04X}"))


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where the match of a pattern ends that matches nothing, too."""
    match = pattern.match(text, position)
    return match.end() if match else position


def _shown(bad: str) -> str:
    """The bytes that did not decode, in hexadecimal; lone surrogates by their number."""
    if all(0xDC80 <= ord(char) <= 0xDCFF for char in bad):
        return "bytes " + " ".join(f"{ord(char) - 0xDC00:02x}" for char in bad[:8])
    return " ".join(f"U+{ord(char):04X}" for char in bad[:8])
