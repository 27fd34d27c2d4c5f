"""From any dialect and encoding to any other, as a stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from cb_csv.dialect import RFC4180, Dialect, Quoting
from cb_csv.errors import FaultError
from cb_csv.fault import COSMETIC, Fault
from cb_csv.format import RowFormatter, guarded
from cb_csv.opening import opened
from cb_csv.repair import DONE, repair
from cb_csv.rewrite import Rewriter, can_rewrite
from cb_csv.rows import clean_rows
from cb_csv.scan import Record
from cb_csv.shape import Proof
from cb_csv.sink import Writable, sink
from cb_csv.source import Readable
from cb_csv.sweep import sweep
from cb_csv.walk import Piece, Walker

__all__ = ["Converted", "OnFault", "Report", "conversion", "convert", "converted"]

_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # half a character of UTF-16: no bytes to keep it as

OnFault = Literal["raise", "keep", "repair"]
Report = Callable[[Fault, str], object]
"""Called with a fault and what was done about it."""


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion did."""

    records: int
    """With the header."""
    bytes_written: int
    """Before compression."""
    faults: int
    """That were kept or repaired."""
    skipped: int = 0
    """Lines before the first record that were left out."""


def convert(
    src: Readable,
    dst: Writable,
    *,
    source: Dialect | None = None,
    target: Dialect = RFC4180,
    encoding: str | None = None,
    to_encoding: str = "utf-8",
    skip: int | None = None,
    workers: int = 1,
    on_fault: OnFault = "raise",
    report: Report | None = None,
    guard_formulas: bool = False,
    durable: bool = True,
    progress: Callable[[int], object] | None = None,
) -> Converted:
    """Write *src* as *target* to *dst*; a file that is there is replaced when all went well, and only then.

    Args:
        src: A path, ``-`` for stdin, a binary or text stream; .gz, .bz2, .xz, .zst are decompressed.
        dst: A path, ``-`` for stdout, or a stream; compressed by the same suffixes.
        source: How *src* is written; detected by default.
        encoding: Of *src*; detected by default.
        skip: Lines before its header to leave out; detected with the dialect.
        target: How to write it. With minimal quoting fields keep the quotes that they had.
        to_encoding: utf-8-sig, utf-16 and utf-32 begin with a byte order mark.
        workers: Processes, for a plain file in UTF-8.
        on_fault: "raise" stops at the first fault that leaves a doubt about rows or cells. "keep" takes what there is
            for what is meant, rows of any length too. "repair" fills short rows, joins surplus fields into the last
            one, drops blank lines, closes quotes, and reads undecodable bytes as Windows-1252.
        report: Called with each fault that was kept or repaired, and what was done.
        guard_formulas: Put an apostrophe before cells that a spreadsheet would run.
        durable: ``fsync`` before the old file goes.
        progress: Called now and then with the number of bytes read.

    Raises:
        FaultError: With its exact place. *dst* is as it was.
        DialectError: The target has no way to write a value.
        UnicodeEncodeError: *to_encoding* has no such character.

    Cost: constant memory (about 15 MB a process); about 7 ms a MB, several times that where every cell must be looked
    at: other quoting than minimal, escapes in the target, *guard_formulas*.

    >>> import io
    >>> out = io.StringIO()
    >>> convert(io.StringIO("name;price\\nJohn;1,5\\n"), out).records
    2
    >>> out.getvalue()
    'name,price\\r\\nJohn,"1,5"\\r\\n'
    """
    columns = 0 if on_fault == "keep" else None
    with opened(src, source, encoding, columns=columns, skip=skip) as walker:
        walker.begin()  # before the target is touched
        with sink(dst, to_encoding, durable=durable) as out:
            work = _Conversion(walker, target, on_fault, report, guard=guard_formulas)
            for piece in sweep(walker, workers=workers, emit=work.emit, out=out, progress=progress):
                out.write(work.damaged(piece))
    return Converted(walker.record - 1, out.written, work.faults, walker.skip)


def converted(
    src: Readable,
    *,
    source: Dialect | None = None,
    target: Dialect = RFC4180,
    encoding: str | None = None,
    skip: int | None = None,
    on_fault: OnFault = "raise",
    report: Report | None = None,
    guard_formulas: bool = False,
) -> Iterator[bytes]:
    """Yield what `convert` would write, as UTF-8, some 64 KiB at a time. The arguments are those of `convert`."""
    with opened(src, source, encoding, columns=0 if on_fault == "keep" else None, skip=skip) as walker:
        yield from conversion(walker, target, on_fault, report, guard_formulas=guard_formulas)


def conversion(
    walker: Walker, target: Dialect, on_fault: OnFault, report: Report | None = None, *, guard_formulas: bool = False
) -> Iterator[bytes]:
    """Yield what a walker over an open source finds, as the target has it."""
    work = _Conversion(walker, target, on_fault, report, guard=guard_formulas)
    for piece in walker:
        yield work.emit(piece.data, piece.proof) if piece.proof else work.damaged(piece)


class _Conversion:
    """What is done with each piece."""

    def __init__(
        self, walker: Walker, target: Dialect, on_fault: OnFault, report: Report | None, *, guard: bool
    ) -> None:
        self.faults = 0
        self._walker = walker
        self._on_fault, self._report, self._guard = on_fault, report, guard
        self._formatter = RowFormatter(target)
        self._numeric = target.quoting is Quoting.NONNUMERIC
        self._keeps_quotes = can_rewrite(target) and not guard
        self._rewrite = Rewriter(walker.shape, target) if self._keeps_quotes else None

    def emit(self, data: bytes, proof: Proof) -> bytes:
        """A clean piece as the target has it."""
        if self._rewrite is not None:
            done = self._rewrite(data, proof)
            return done if done is not None else self._cells(self._walker.exactly(Piece(data, proof, [], [])))
        rows = clean_rows(self._walker, Piece(data, proof, [], []))
        if self._guard:
            rows = ([guarded(value) for value in row] for row in rows)
        text = "".join([self._formatter.record(row, numeric_text=self._numeric) for row in rows])
        return text.encode()

    def damaged(self, piece: Piece) -> bytes:
        """A damaged piece as the target has it; its first real fault is raised if it is to be."""
        for fault in piece.faults:
            if self._on_fault == "raise" and fault.code not in COSMETIC:
                raise FaultError(fault, self._walker.source.name)
        if self._on_fault == "repair":
            for record in piece.records:
                repair(record, self._walker.shape.columns, self._walker.dialect.delimiter)
        self.faults += len(piece.faults)
        if self._report:
            for fault in piece.faults:
                done = DONE.get(fault.code, "kept") if self._on_fault == "repair" else "kept"
                self._report(fault, "left out" if fault.code == "blank-line" and self._on_fault != "keep" else done)
        return self._cells(piece.records)

    def _cells(self, records: list[Record]) -> bytes:
        text: list[str] = []
        for record in records:
            if record.values == [""] and not record.quoted[0] and self._walker.shape.columns != 1:
                if self._on_fault == "keep":
                    text.append(self._formatter.dialect.newline)
                continue
            values = [guarded(value) for value in record.values] if self._guard else record.values
            quoted = record.quoted if self._keeps_quotes else ()
            text.append(self._formatter.record(values, quoted, numeric_text=self._numeric))
        return _LONE.sub("\ufffd", "".join(text)).encode("utf-8", "surrogateescape")
