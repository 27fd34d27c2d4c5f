"""What is in each column: one pass, constant memory.

Cells are counted, not looked at: a Counter takes each with one call for a whole column of a piece. When a column has
more different cells than the cap, what they say is folded into sums and a sketch, and counting starts anew. So each
different cell is parsed once a fold, and columns of few different cells cost next to nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from hashlib import blake2b

from cb_csv.columns import CellType, narrowest, number_of, type_of
from cb_csv.dialect import Dialect
from cb_csv.opening import opened
from cb_csv.rows import column_names, row_batches
from cb_csv.source import Readable

__all__ = ["ColumnStats", "summarize"]

_SKETCH = 1024
_HASHES = float(1 << 64)
_KEPT = 1000
_BINS = 20


@dataclass(frozen=True, slots=True)
class ColumnStats:
    """What one column holds."""

    name: str
    type: CellType
    """The narrowest that all cells fit that are not empty: empty, bool, int, float, date, datetime, text."""
    count: int
    """Rows, with the empty cells."""
    empty: int
    distinct: int
    """Different cells that are not empty."""
    distinct_is_exact: bool
    """False: an estimate, within 10 % as a rule."""
    min: str | None
    """Of numbers by value, of anything else by text; as it is written in the file."""
    max: str | None
    mean: float | None
    stddev: float | None
    """Of the numbers as a whole population."""
    longest: int
    """Characters of the longest cell."""
    frequent: list[tuple[str, int]] = field(default_factory=list)
    """The most frequent cells; of more different cells than the cap, about so."""
    histogram: list[int] = field(default_factory=list)
    """Numbers in each of 20 equal parts from min to max; for columns within the cap."""

    def as_dict(self) -> dict[str, object]:
        """Everything, as for JSON."""
        return asdict(self)


def summarize(
    src: Readable,
    dialect: Dialect | None = None,
    *,
    encoding: str | None = None,
    skip: int | None = None,
    header: bool | None = None,
    cap: int = 10_000,
    top: int = 5,
    progress: Callable[[int], object] | None = None,
) -> list[ColumnStats]:
    """Summarize every column of a file.

    Args:
        src: As for `read_rows`.
        dialect: As for `read_rows`.
        encoding: As for `read_rows`.
        skip: As for `read_rows`.
        header: Whether the first row names the columns; detected by default, and True where the dialect is given.
        cap: Different cells of a column up to which everything is exact.
        top: How many of the most frequent cells to give.
        progress: Called now and then with the number of bytes read.

    Raises:
        FaultError: The data is not what its dialect says.

    Cost: one pass, about 30 ms a MB; memory for *cap* cells a column.

    >>> import io
    >>> for one in summarize(io.StringIO("name,size\\r\\na,1\\r\\nb,3\\r\\na,\\r\\n")):
    ...     print(one.name, one.type, one.count, one.empty, one.distinct, one.min, one.max, one.mean, one.frequent)
    name text 3 0 2 a b None [('a', 2), ('b', 1)]
    size int 3 1 2 1 3 2.0 [('1', 1), ('3', 1)]
    """
    with opened(src, dialect, encoding, skip=skip) as walker:
        if header is None:
            header = walker.has_header
        columns: list[_Column] = []
        for rows in row_batches(walker):
            if progress:
                progress(walker.byte)
            batch = list(rows)
            if not columns and batch:
                names = [f"column {number}" for number in range(1, len(batch[0]) + 1)]
                if header:
                    names = column_names(batch.pop(0), "suffix", walker.source.name)
                columns = [_Column(name, cap) for name in names]
            for column, cells in zip(columns, zip(*batch, strict=True), strict=False):
                column.add(cells)
    return [column.result(top) for column in columns]


class _Column:
    """A column as far as it has been read."""

    def __init__(self, name: str, cap: int) -> None:
        self._name, self._cap = name, cap
        self._cells: Counter[str] = Counter()
        self._count = self._empty = self._longest = self._numbers = 0
        self._type: CellType = "empty"
        self._mean = self._squares = 0.0
        self._low: tuple[float, str] | None = None
        self._high: tuple[float, str] | None = None
        self._first: str | None = None
        self._last: str | None = None
        self._folded = False
        self._sketch: list[int] = []
        self._frequent: Counter[str] = Counter()

    def add(self, cells: Iterable[str]) -> None:
        """Count the cells of some rows."""
        self._cells.update(cells)
        if len(self._cells) > self._cap:
            self._fold()
            self._folded = True
            self._cells.clear()

    def _fold(self) -> None:
        """Take what the counted cells say into the sums and the sketch."""
        cells = self._cells
        self._count += cells.total()
        self._empty += cells.pop("", 0)
        for cell, times in cells.items():
            self._type = narrowest(self._type, type_of(cell))
            number = number_of(cell)
            if number is not None:
                self._take(number, cell, times)
        if cells:
            self._longest = max(self._longest, *map(len, cells), 0)
            known = [one for one in (self._first, self._last) if one is not None]
            self._first, self._last = min([*cells, *known]), max([*cells, *known])
        hashes = {int.from_bytes(blake2b(cell.encode("utf-8", "replace"), digest_size=8).digest()) for cell in cells}
        self._sketch = sorted(hashes.union(self._sketch))[:_SKETCH]
        self._frequent.update(cells)
        self._frequent = Counter(dict(self._frequent.most_common(_KEPT)))

    def _take(self, number: float, cell: str, times: int) -> None:
        """Add a number so many times (Chan's parallel form of Welford's sums)."""
        self._numbers += times
        apart = number - self._mean
        self._mean += apart * times / self._numbers
        self._squares += apart * (number - self._mean) * times
        if self._low is None or number < self._low[0]:
            self._low = number, cell
        if self._high is None or number > self._high[0]:
            self._high = number, cell

    def result(self, top: int) -> ColumnStats:
        """What there is to say."""
        cells = Counter(self._cells)
        self._fold()
        numeric = self._type in ("int", "float")
        exact = not self._folded
        distinct = len(self._sketch)
        if distinct == _SKETCH:
            distinct = len(cells) - ("" in cells) if exact else round((_SKETCH - 1) / (self._sketch[-1] / _HASHES))
        return ColumnStats(
            self._name,
            self._type,
            self._count,
            self._empty,
            distinct,
            exact or len(self._sketch) < _SKETCH,
            self._low[1] if numeric and self._low else self._first,
            self._high[1] if numeric and self._high else self._last,
            self._mean if numeric else None,
            math.sqrt(self._squares / self._numbers) if numeric else None,
            self._longest,
            self._frequent.most_common(top),
            self._histogram(cells) if numeric and exact else [],
        )

    def _histogram(self, cells: Counter[str]) -> list[int]:
        low, high = (end[0] for end in (self._low, self._high) if end)
        bins = [0] * _BINS
        for cell, times in cells.items():
            number = number_of(cell)
            if number is not None:
                bins[min(_BINS - 1, int((number - low) / ((high - low) or 1.0) * _BINS))] += times
        return bins
