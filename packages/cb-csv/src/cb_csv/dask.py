"""Large files on Dask: cut where records end, also where line breaks stand within quotes, and worked on in parallel.

Whether a cut lies within quotes depends on the number of quotes before it. So each block's quotes are counted first,
in parallel; the sums tell where each block's first record starts. Files are whatever fsspec opens: local paths,
``s3://``, ``gcs://``, ``https://``, with ``*``. They must be uncompressed and in UTF-8 (`convert` makes them so).

Needs ``pip install 'cb-csv[dask]'``. Runs on the scheduler that Dask is told to use: threads, processes, a cluster.
"""

# Dask, fsspec and pandas come without types.
# mypy: disable-error-code="import-untyped, no-untyped-call"

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import fsspec
from dask.base import compute
from dask.delayed import delayed

from cb_csv.converting import OnFault, conversion
from cb_csv.detecting import detect_bytes
from cb_csv.dialect import RFC4180, Dialect
from cb_csv.errors import CsvError
from cb_csv.fault import Fault
from cb_csv.rows import column_names, row_batches
from cb_csv.source import SAMPLE, Source
from cb_csv.split import count_quotes, quote_and_break, record_start
from cb_csv.walk import Walker

if TYPE_CHECKING:
    import dask.dataframe
    import pandas as pd

__all__ = ["Part", "check", "convert", "read_csv", "split"]

_BLOCK = 1 << 26
_QUOTES = frozenset({"stray-quote", "text-after-quote", "unterminated-quote"})
Options = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Part:
    """Whole records of one file: the bytes from *start* up to *stop*."""

    url: str
    start: int
    stop: int
    columns: tuple[str, ...]
    dialect: Dialect
    options: tuple[tuple[str, Any], ...] = ()


def split(
    urls: str | Sequence[str], dialect: Dialect | None = None, *, block: int = _BLOCK, options: Options | None = None
) -> list[Part]:
    """Cut files into parts of about *block* bytes.

    Args:
        urls: One or several paths or URLs, with ``*`` for many files.
        dialect: Of all of them; by default each one's is detected.
        block: Bytes of a part, about.
        options: What fsspec needs for those URLs: keys, endpoints.

    Raises:
        FileNotFoundError: No file is meant.
        CsvError: A file is not in UTF-8, or has escape characters.
    """
    given = tuple((options or {}).items())
    files = fsspec.open_files(urls, "rb", **dict(given))
    if not files:
        raise FileNotFoundError(f"{urls}: no such file (look at the pattern)")
    known = compute(*[delayed(_look)(file, dialect) for file in files])
    counts = compute(
        *[
            [delayed(_count)(file, one, start, min(start + block, size)) for start in range(0, size, block)]
            for file, (one, size, _) in zip(files, known, strict=True)
        ]
    )
    starts = compute(
        *[
            [delayed(_start)(file, one, number * block, sum(before[:number]) & 1) for number in range(1, len(before))]
            for file, (one, _, _), before in zip(files, known, counts, strict=True)
        ]
    )
    parts = []
    for file, (one, size, columns), inner in zip(files, known, starts, strict=True):
        points = sorted({0, *inner, size})
        for start, stop in pairwise(points):
            parts.append(Part(_name(file), start, stop, tuple(columns), one, given))
    return parts


def read_csv(
    urls: str | Sequence[str], dialect: Dialect | None = None, *, block: int = _BLOCK, options: Options | None = None
) -> dask.dataframe.DataFrame:
    """Read files into a Dask DataFrame of strings, a partition for each part of `split`.

    The files must have the same columns in the same order. Faults raise FaultError when it is computed.

    Raises:
        CsvError: Two files have other columns.
    """
    import pandas as pd
    from dask.dataframe import from_map

    parts = split(urls, dialect, block=block, options=options)
    for part in parts:
        if part.columns != parts[0].columns:
            raise CsvError(f"{part.url}: columns {list(part.columns)}, {parts[0].url} has {list(parts[0].columns)}")
    meta = pd.DataFrame({name: pd.Series(dtype="str") for name in parts[0].columns})
    return cast("dask.dataframe.DataFrame", from_map(_frame, parts, meta=meta))


def check(
    urls: str | Sequence[str],
    dialect: Dialect | None = RFC4180,
    *,
    block: int = _BLOCK,
    options: Options | None = None,
) -> dict[str, list[Fault]]:
    """Every fault of every file, as `cb_csv.check` tells it, by URL.

    A quote out of place puts in doubt where the parts behind it begin: from that part on, one task reads the file.
    """
    parts = split(urls, dialect, block=block, options=options)
    found: dict[str, list[Fault]] = {}
    by_file: dict[str, list[Part]] = {}
    for part in parts:
        by_file.setdefault(part.url, []).append(part)
    results = compute({url: [delayed(_faults)(part) for part in mine] for url, mine in by_file.items()})[0]
    for url, mine in by_file.items():
        told = results[url]
        doubtful = next((n for n, (faults, *_) in enumerate(told) if any(f.code in _QUOTES for f in faults)), None)
        if doubtful is not None and doubtful + 1 < len(told):
            rest = replace(mine[doubtful], stop=mine[-1].stop)
            told = [*told[:doubtful], compute(delayed(_faults)(rest))[0]]
        found[url] = []
        records = lines = 0
        for faults, more_records, more_lines in told:
            found[url] += [replace(one, record=one.record + records, line=one.line + lines) for one in faults]
            records, lines = records + more_records, lines + more_lines
    return found


def convert(
    urls: str | Sequence[str],
    folder: str,
    dialect: Dialect | None = None,
    *,
    target: Dialect = RFC4180,
    on_fault: OnFault = "raise",
    block: int = _BLOCK,
    options: Options | None = None,
) -> list[str]:
    """Write every part of `split` as a file of its own, ``part-00000.csv`` and so on, into *folder*.

    One after the other they are the whole: the header stands in the first part of each file only.

    Returns:
        The URLs written.

    Raises:
        FaultError: With *on_fault* "raise", at the first fault of a part.
    """
    parts = split(urls, dialect, block=block, options=options)
    names = [f"{folder.rstrip('/')}/part-{number:05}.csv" for number in range(len(parts))]
    work = [delayed(_write)(part, name, target, on_fault) for part, name in zip(parts, names, strict=True)]
    return list(compute(*work))


def _name(file: Any) -> str:
    """As the caller would write it: a local path has no ``file://``."""
    return str(file.full_name).removeprefix("file://")


def _look(file: Any, dialect: Dialect | None) -> tuple[Dialect, int, list[str]]:
    """The dialect, size and columns of a file."""
    with file as stream:
        sample = stream.read(SAMPLE)
        size = int(stream.seek(0, io.SEEK_END))
        found = detect_bytes(sample, complete=size <= SAMPLE)
        if found.encoding != "utf-8" or found.bom:
            raise CsvError(f"{_name(file)}: {found.encoding} is not read in parts (cb-csv convert makes it UTF-8)")
        dialect = dialect or found.dialect
        if dialect.escapechar:
            raise CsvError(f"{_name(file)}: escape characters are not read in parts (cb-csv convert takes them out)")
        part = Part(_name(file), 0, min(size, 1 << 24), (), dialect)
        stream.seek(0)
        walker = _walker(part, stream)
        header = next((row for rows in row_batches(walker) for row in rows), [])
        return replace(dialect, newline=walker.newline), size, column_names(header, "suffix", _name(file))


def _count(file: Any, dialect: Dialect, start: int, stop: int) -> int:
    with file as stream:
        return count_quotes(stream, start, stop, quote_and_break(dialect)[0])


def _start(file: Any, dialect: Dialect, position: int, odd: int) -> int:
    with file as stream:
        return record_start(stream, position, odd, *quote_and_break(dialect))


class _Range(io.RawIOBase):
    """Some bytes of a file, as a file."""

    def __init__(self, stream: BinaryIO, start: int, stop: int) -> None:
        super().__init__()
        stream.seek(start)
        self._stream, self._left = stream, stop - start

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(self._left, size) if size >= 0 else self._left)
        self._left -= len(data)
        return data


def _open(part: Part) -> Any:
    return fsspec.open(part.url, "rb", **dict(part.options))


def _walker(part: Part, stream: BinaryIO) -> Walker:
    source = Source(cast("BinaryIO", _Range(stream, part.start, part.stop)))
    source.name = part.url
    source.decode_as("utf-8")
    walker = Walker(source, part.dialect, columns=len(part.columns) or None)
    walker.byte = part.start
    return walker


def _frame(part: Part) -> pd.DataFrame:
    import pandas as pd

    with _open(part) as stream:
        rows = [row for batch in row_batches(_walker(part, stream)) for row in batch]
    names = list(part.columns)
    return pd.DataFrame(rows[1:] if part.start == 0 else rows, columns=names, dtype="str")


def _faults(part: Part) -> tuple[list[Fault], int, int]:
    """The faults of a part, with records and lines counted from its start; how many of both it has."""
    with _open(part) as stream:
        walker = _walker(part, stream)
        faults = [fault for piece in walker for fault in piece.faults]
        return faults, walker.record - 1, walker.line - 1


def _write(part: Part, name: str, target: Dialect, on_fault: OnFault) -> str:
    with _open(part) as stream, fsspec.open(name, "wb", **dict(part.options)) as out:
        walker = _walker(part, stream)
        for data in conversion(walker, target, on_fault):
            out.write(data)
    return name
