"""From a source to pieces of whole records: clean ones, proved 64 KiB at a time, and damaged ones, read exactly.

A piece is cut at its last line break and offered to `Shape.prove`; if that line break stands within quotes, at the last
one with an even number of quotes before it. What cannot be proved is cut smaller, down to 2 KiB, and then read record
by record; from there, a record boundary that the exact reading found, pieces grow again. So a fault costs the exact
reading of some 2 KiB, and quotes are never counted across one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cb_csv.dialect import Dialect
from cb_csv.fault import Fault
from cb_csv.scan import Flaw, Incomplete, Record, Scanner
from cb_csv.shape import Proof, Shape
from cb_csv.source import Source

__all__ = ["MAX_RECORD", "PIECE", "Piece", "Walker", "find_cut"]

PIECE: int = 65536
"""Bytes proved at once: what fits the second-level cache is quickest."""
SMALL: int = 2048
_LONG = 16
"""So many times a piece may grow to hold one record."""
_GROWN = 4
"""And so many times a small one, where a quote too many is the likelier reason."""
_READ = 1 << 17
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r)")
MAX_RECORD: int = 1 << 26
"""The longest record, in bytes of UTF-8, and with it the most memory that a broken file can take."""


@dataclass(slots=True)
class Piece:
    """Some whole records, as they lie there: proved, or read one by one with what is wrong with each."""

    data: bytes
    proof: Proof | None
    records: list[Record]
    faults: list[Fault]


def find_cut(data: bytes, start: int, size: int, quote: bytes, newline: bytes, escape: bytes = b"") -> int:
    """Where the last record ends that is whole within *size* bytes from *start*; *start* itself if none is.

    Right for well-formed quotes; what is cut so is proved afterwards. O(size).
    """
    stop = start + size
    cut = data.rfind(newline, start, stop) + 1
    if not quote or cut <= start:
        return max(cut, start)
    odd = _odd(data, start, cut, quote, escape)
    while odd and cut > start:
        before = data.rfind(newline, start, cut - 1) + 1
        if before <= start:
            return start
        odd ^= _odd(data, before, cut, quote, escape)
        cut = before
    return cut


def _odd(data: bytes, start: int, stop: int, quote: bytes, escape: bytes) -> int:
    escaped = data.count(escape + quote, start, stop) if escape else 0
    return (data.count(quote, start, stop) + escaped) & 1


class Walker:
    """Iterates over the pieces of an open source.

    Args:
        source: Decoded as it should be.
        dialect: How the data is meant to be written.
        columns: The number of fields that each record must have; None: as many as the first has; 0: any.
        skip: Lines before the first record to leave out.
        piece: Bytes proved at once.
        has_header: What was detected, for whoever wants to know.
    """

    def __init__(
        self,
        source: Source,
        dialect: Dialect,
        *,
        columns: int | None = None,
        skip: int = 0,
        piece: int | None = None,
        has_header: bool = True,
    ) -> None:
        self.source: Source = source
        self.dialect: Dialect = dialect
        self.columns: int | None = columns
        self.has_header: bool = has_header
        self.newline: str = dialect.newline
        """The line end that the first record has."""
        self.newline_fault: Fault | None = None
        """Where that is not the dialect's, said once for the whole file."""
        self.record: int = 1
        """Number of the first record that was not given out."""
        self.line: int = 1
        self.byte: int = source.start
        self._column = 0  # characters of the line before the first record: one that a lone CR ended
        self.doubtful: bool = False
        """Whether what follows the last clean piece could not be proved."""
        self._piece = self._size = piece or PIECE
        self.skip: int = skip
        self._buffer = b""
        self._position = 0
        self._ended = False
        self._quote = (dialect.quotechar or "").encode() if dialect.reads_quotes else b""
        self._escape = (dialect.escapechar or "").encode()
        self._shape: Shape | None = None
        self._scanner = Scanner(dialect)

    @property
    def shape(self) -> Shape:
        """The pattern that pieces are held to; the first record is read for it."""
        if self._shape is None:
            self.begin()
        assert self._shape is not None
        return self._shape

    def resume(self, byte: int, record: int, line: int, *, stop: int | None = None) -> None:
        """Go on at the start of another record of a plain file, and up to the last whole record before *stop*."""
        self.byte, self.record, self.line, self._column = byte, record, line, 0
        self._size, self.doubtful = self._piece, False
        self.source.jump(byte, stop)
        self._buffer, self._position, self._ended = b"", 0, False

    def begin(self) -> None:
        """Pass over the lines to skip, and take line end and number of fields from the first record. Once."""
        for _ in range(self.skip):
            self._skip_line()
        text, records = self._exact(1)
        if records:
            first = records[0]
            self.newline = first.newline or self.newline
            if self.columns is None:
                self.columns = len(first.values)
            if self.newline != self.dialect.newline:
                code = "bare-lf" if self.newline == "\n" else "bare-cr"
                names = {"\r\n": "CRLF", "\n": "LF", "\r": "CR"}
                wanted = names[self.dialect.newline]
                detail = f"all lines end with {names[self.newline]}, not {wanted} (convert the file, or accept it)"
                self.newline_fault = self._place(text, 0, Flaw(code, first.newline_at, len(first.values), detail))
        self._shape = Shape(self.dialect, self.columns or 0, self.newline.encode())
        self._scanner = Scanner(self.dialect, self.columns or 0, self.newline)

    def _skip_line(self) -> None:
        size = SMALL
        while True:
            more = self._more(size)
            match = _LINE.match(self._buffer, self._position)
            if match and (match.end() < len(self._buffer) or not more):
                break
            if not more:
                match = None
                break
            size *= 4
        end = match.end() if match else len(self._buffer)
        self._pass(self._buffer[self._position : end], 0, 1)

    def _more(self, size: int) -> bool:
        """Have *size* bytes at hand; False if the source ended before."""
        while len(self._buffer) - self._position < size and not self._ended:
            data = self.source.read(max(_READ, size))
            self._ended = not data
            self._buffer = self._buffer[self._position :] + data
            self._position = 0
        return len(self._buffer) - self._position >= size

    def _pass(self, data: bytes, records: int, lines: int) -> None:
        self.record += records
        self.line += lines
        self.byte += self.source.width_of(data)
        self._position += len(data)

    def __iter__(self) -> Iterator[Piece]:
        while True:
            yield from self.clean()
            if not self._more(1):
                return
            yield self._damaged(min(SMALL, self._piece))

    def clean(self) -> Iterator[Piece]:
        """The pieces that can be proved, up to the first that cannot; `doubtful` tells whether there is one."""
        line_break = self.shape.newline[-1:]
        small, shrunk = min(SMALL, self._piece), self.doubtful
        self.doubtful = False
        while self._more(self._size + 1) or self._position < len(self._buffer):
            start, stop = self._position, self._position + self._size
            end = self._buffer.rfind(line_break, start, stop) + 1
            piece = self._proved(start, end)
            if piece is None and end and self._quote:
                careful = find_cut(self._buffer, start, self._size, self._quote, line_break, self._escape)
                if careful < end:
                    end = careful
                    piece = self._proved(start, end)
            if piece is not None:
                self._column = 0
                self._size, shrunk = min(self._size * 2, self._piece), False
                yield piece
            elif end <= start and stop >= len(self._buffer):
                return  # the rest is less than a record
            elif end <= start and self._size < (_GROWN * small if shrunk else _LONG * self._piece):
                self._size *= 2
            elif shrunk or self._size <= small:
                self._size, self.doubtful = small, True
                return
            else:
                self._size, shrunk = small, True

    def _proved(self, start: int, end: int) -> Piece | None:
        """The piece between two places of the buffer, passed over, if it is clean."""
        halved = self.newline == "\r" and self._buffer.startswith(b"\n", end)  # a CRLF among CRs
        if end <= start or halved:
            return None
        data = self._buffer[start:end]
        proof = self.shape.prove(data)
        if proof is None:
            return None
        self._pass(data, proof.records, proof.lines)
        return Piece(data, proof, [], [])

    def _damaged(self, size: int) -> Piece:
        """The records of the next *size* bytes, and of the last one all of it, with their faults."""
        text, records = self._exact(size)
        faults = [self._place(text, number, flaw) for number, record in enumerate(records) for flaw in record.flaws]
        data = self.source.bytes_of(text)
        line_break = self.newline[-1]
        self._pass(data, len(records), text.count(line_break))
        last = text.rfind(line_break) + 1
        self._column = len(text) - last + (0 if last else self._column)
        return Piece(data, None, records, faults)

    def exactly(self, piece: Piece) -> list[Record]:
        """The records of a proved piece, field by field."""
        text = piece.data.decode()
        records: list[Record] = []
        position = 0
        while position < len(text):
            records.append(self._scanner.record(text, position, whole=True))
            position = records[-1].end
        return records

    def _exact(self, size: int) -> tuple[str, list[Record]]:
        """Read records until *size* bytes are passed; the text that they are, and the records."""
        span = max(2 * size, 4 * SMALL)
        while True:
            whole = not self._more(span + 1) or span >= MAX_RECORD
            data = self._buffer[self._position : self._position + span]
            text = self.source.text_of(data, whole=whole)
            target = max(1, len(self.source.text_of(data[:size], whole=False)))
            records: list[Record] = []
            position = 0
            try:
                while position < min(target, len(text)):
                    records.append(self._scanner.record(text, position, whole=whole))
                    position = records[-1].end
            except Incomplete:
                if not records:
                    span *= 4
                    continue
            return text[:position], records

    def _place(self, text: str, number: int, flaw: Flaw) -> Fault:
        """A flaw in *text*, which begins where this reading stands, with its place in the file."""
        before = text[: flaw.index]
        line_start = before.rfind(self.newline[-1]) + 1
        column = len(before) - line_start + (0 if line_start else self._column) + 1
        return Fault(
            flaw.code,
            self.record + number,
            self.line + before.count(self.newline[-1]),
            flaw.field,
            column,
            self.byte + self.source.width_of(self.source.bytes_of(before)),
            flaw.detail,
        )
