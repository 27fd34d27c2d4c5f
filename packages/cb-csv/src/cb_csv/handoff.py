"""Handing a foreign, damaged or compressed file on to an engine: as a stream of clean RFC 4180, or as Arrow."""

# pyarrow comes without types.
# mypy: disable-error-code="import-untyped, no-untyped-call"

from __future__ import annotations

import io
from collections.abc import Generator
from typing import TYPE_CHECKING, BinaryIO, cast

from cb_csv.converting import OnFault, Report, converted
from cb_csv.dialect import Dialect
from cb_csv.errors import CsvError
from cb_csv.source import Readable

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

__all__ = ["open_clean", "to_arrow", "to_polars"]


class _CleanStream(io.RawIOBase):
    """Bytes that are made while they are read."""

    def __init__(self, pieces: Generator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._pieces.close()
        super().close()


def open_clean(
    src: Readable,
    *,
    source: Dialect | None = None,
    encoding: str | None = None,
    skip: int | None = None,
    on_fault: OnFault = "raise",
    report: Report | None = None,
) -> BinaryIO:
    """Open any file as RFC 4180 in UTF-8, for whatever reads that: pandas, polars, DuckDB, ``csv``, a database's COPY.

    Reading it raises what `convert` raises. The arguments are those of `convert`. Constant memory.

    >>> with open_clean(io.StringIO("name;price\\nJohn;1,5\\n")) as file:
    ...     file.read()
    b'name,price\\r\\nJohn,"1,5"\\r\\n'
    """
    pieces = converted(src, source=source, encoding=encoding, skip=skip, on_fault=on_fault, report=report)
    return cast("BinaryIO", io.BufferedReader(_CleanStream(cast("Generator[bytes]", pieces)), 1 << 18))


def to_arrow(
    src: Readable,
    *,
    source: Dialect | None = None,
    encoding: str | None = None,
    skip: int | None = None,
    on_fault: OnFault = "raise",
    report: Report | None = None,
) -> pa.RecordBatchReader:
    """Read any file as a stream of Arrow record batches; DuckDB, polars and pandas take it without a copy.

    Types are those that Arrow infers from the first megabyte. Needs ``pip install 'cb-csv[arrow]'``.

    Raises:
        CsvError: pyarrow is not installed, or Arrow cannot convert a cell.
        FaultError: The data is not what its dialect says.
    """
    try:
        from pyarrow import csv as arrow_csv
    except ImportError as error:
        raise CsvError("no pyarrow here (pip install 'cb-csv[arrow]')") from error
    stream = open_clean(src, source=source, encoding=encoding, skip=skip, on_fault=on_fault, report=report)
    return arrow_csv.open_csv(stream, parse_options=arrow_csv.ParseOptions(newlines_in_values=True))


def to_polars(
    src: Readable,
    *,
    source: Dialect | None = None,
    encoding: str | None = None,
    skip: int | None = None,
    on_fault: OnFault = "raise",
    report: Report | None = None,
) -> pl.DataFrame:
    """Read any file into a polars DataFrame, with the types that polars infers. In memory, as data frames are.

    Needs ``pip install 'cb-csv[polars]'``.

    Raises:
        CsvError: polars is not installed.
        FaultError: The data is not what its dialect says.
    """
    try:
        import polars as pl
    except ImportError as error:
        raise CsvError("no polars here (pip install 'cb-csv[polars]')") from error
    with open_clean(src, source=source, encoding=encoding, skip=skip, on_fault=on_fault, report=report) as stream:
        return pl.read_csv(stream.read(), try_parse_dates=True)
