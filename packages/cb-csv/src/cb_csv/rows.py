"""Rows, dicts and cells of a file, one at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Literal

from cb_csv.dialect import Dialect, Quoting
from cb_csv.errors import CsvError, FaultError
from cb_csv.fault import COSMETIC
from cb_csv.opening import opened
from cb_csv.source import Readable
from cb_csv.walk import Piece, Walker

__all__ = [
    "Duplicates",
    "Ragged",
    "clean_rows",
    "column_names",
    "read_cells",
    "read_dicts",
    "read_rows",
    "row_batches",
    "rows_and_lines",
]

Ragged = Literal["error", "pad", "keep"]
"""Rows of another length than the header: refuse them, fill short ones with "" (and refuse long ones), or take them."""
Duplicates = Literal["error", "suffix", "last"]
"""Columns of one name: refuse them, call the second ``name_2``, or let the last one win."""

_RAGGED = frozenset({"missing-fields", "extra-fields"})


def read_rows(
    src: Readable,
    dialect: Dialect | None = None,
    *,
    encoding: str | None = None,
    strict: bool = True,
    ragged: Ragged = "error",
    skip: int | None = None,
) -> Iterator[list[str]]:
    """Yield every row, the header too, as a list of strings.

    Args:
        src: A path, ``-`` for stdin, a binary or text stream; .gz, .bz2, .xz, .zst are decompressed.
        dialect: Detected by default, from the first 64 KiB.
        encoding: Detected by default.
        strict: Refuse quotes out of place, undecodable bytes and lone CRs; False reads on as well as can be.
        ragged: What to do with rows of another length than the first.
        skip: Lines before the first row to leave out; detected with the dialect by default.

    Blank lines are left out, except in files of one column, where they are empty cells.

    Raises:
        FaultError: The file has such a fault; the error has its exact place. All rows before it have been given.
        OSError: The file cannot be read.

    Cost: constant memory; about 1.4 times the time of ``csv.reader``, which checks nothing.

    >>> list(read_rows(io.StringIO("name;price\\nJohn;1,5\\n")))
    [['name', 'price'], ['John', '1,5']]
    """
    columns = 0 if ragged == "keep" else None
    with opened(src, dialect, encoding, columns=columns, skip=skip) as walker:
        yield from chain.from_iterable(_rows(walker, strict=strict, ragged=ragged))


def read_dicts(
    src: Readable,
    dialect: Dialect | None = None,
    *,
    fieldnames: Sequence[str] | None = None,
    encoding: str | None = None,
    strict: bool = True,
    ragged: Ragged = "error",
    duplicates: Duplicates = "error",
    skip: int | None = None,
    on_doubt: Callable[[str], object] | None = None,
) -> Iterator[dict[str, str]]:
    """Yield every row after the header as a dict in the file's order of columns.

    Args:
        src: As for `read_rows`.
        dialect: As for `read_rows`.
        fieldnames: The columns of a file without a header; by default the first row names them.
        encoding: As for `read_rows`.
        strict: As for `read_rows`.
        ragged: As for `read_rows`; with "keep" a short row has fewer keys, and what a long row has more is under
            ``"column 4"`` and so on.
        duplicates: What to do with columns of the same name.
        skip: As for `read_rows`.
        on_doubt: Called with one line if the first row was taken for the header and, as far as was detected, is data.

    Raises:
        CsvError: Two columns have one name.
        FaultError: The data is not what its dialect says.

    Cost: constant memory; about the time of ``csv.DictReader``.

    >>> next(read_dicts(io.StringIO("age,name\\r\\n30,John\\r\\n")))
    {'age': '30', 'name': 'John'}
    """
    with opened(src, dialect, encoding, columns=0 if ragged == "keep" else None, skip=skip) as walker:
        names = list(fieldnames) if fieldnames is not None else None
        if names is not None:
            column_names(names, duplicates, walker.source.name)
        rows = chain.from_iterable(_rows(walker, strict=strict, ragged=ragged))
        if names is None:
            names = column_names(next(rows, []), duplicates, walker.source.name)
            if on_doubt and names and not walker.has_header:
                on_doubt(
                    f"{walker.source.name}: no header found: the first row, {names[0][:20]!r} ..., names the columns"
                )
        if ragged == "keep":
            yield from (_ragged_dict(names, row) for row in rows)
        else:
            yield from map(dict, map(zip, repeat(names), rows))  # of equal lengths, by now


def read_cells(
    src: Readable, dialect: Dialect, *, encoding: str | None = None, skip: int = 0
) -> Iterator[list[str | float | None]]:
    """Yield rows whose quotes tell the type, as NONNUMERIC, STRINGS and NOTNULL write them.

    Without quotes is a number for NONNUMERIC and STRINGS, and nothing at all is None for STRINGS and NOTNULL.

    Raises:
        CsvError: What has no quotes and must be a number is none; the message has its place.

    >>> list(read_cells(io.StringIO('"a",1.5,\\r\\n'), Dialect(quoting=Quoting.STRINGS)))
    [['a', 1.5, None]]
    """
    with opened(src, dialect, encoding, skip=skip) as walker:
        for piece in walker:
            line = walker.line - piece.data.count(walker.newline[-1].encode())
            _refuse(walker, piece, strict=True, ragged="error")
            for record in piece.records or walker.exactly(piece):
                yield [
                    _cell(
                        value,
                        quoted=quoted,
                        quoting=dialect.quoting,
                        where=f"{walker.source.name}:{line}",
                        number=number,
                    )
                    for number, (value, quoted) in enumerate(zip(record.values, record.quoted, strict=True), 1)
                ]
                line += sum(value.count("\n") for value in record.values) + 1


def rows_and_lines(walker: Walker) -> Iterator[tuple[int, list[str]]]:
    """Every row with the line on which it starts. Faults are refused."""
    for piece in walker:
        line_break = walker.newline[-1]
        line = walker.line - piece.data.count(line_break.encode())
        _refuse(walker, piece, strict=True, ragged="error")
        for row in clean_rows(walker, piece) if piece.proof else (record.values for record in piece.records):
            if row != [""] or walker.columns == 1:
                yield line, row
            line += 1 + sum([cell.count(line_break) for cell in row if line_break in cell])


def _cell(value: str, *, quoted: bool, quoting: Quoting, where: str, number: int) -> str | float | None:
    if quoted or quoting not in (Quoting.NONNUMERIC, Quoting.STRINGS, Quoting.NOTNULL):
        return value
    if not value and quoting is not Quoting.NONNUMERIC:
        return None
    if quoting is Quoting.NOTNULL:
        return value
    try:
        return float(value)
    except ValueError as error:
        raise CsvError(f"{where}: field {number}: {value[:20]!r} is no number and has no quotes (quote it)") from error


def column_names(header: Sequence[str], duplicates: Duplicates, name: str) -> list[str]:
    """The names of a header, made different if they are to be.

    Raises:
        CsvError: Two are the same, and that is to be an error.
    """
    if len(set(header)) == len(header) or duplicates == "last":
        return list(header)
    if duplicates == "error":
        twice = next(one for position, one in enumerate(header) if one in header[:position])
        raise CsvError(f"{name}: the column {twice!r} is there twice (rename it, or duplicates='suffix')")
    names: list[str] = []
    for one in header:
        count, new = 1, one
        while new in names or (count > 1 and new in header):
            count += 1
            new = f"{one}_{count}"
        names.append(new)
    return names


def _ragged_dict(names: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    extra = {f"column {number}": value for number, value in enumerate(row[len(names) :], len(names) + 1)}
    return dict(zip(names, row, strict=False)) | extra


def row_batches(walker: Walker) -> Iterator[Iterable[list[str]]]:
    """The rows, a piece at a time; faults are refused."""
    return _rows(walker, strict=True, ragged="error")


def _rows(walker: Walker, *, strict: bool, ragged: Ragged) -> Iterator[Iterable[list[str]]]:
    """The rows, a piece at a time."""
    shape = walker.shape
    for piece in walker:
        if piece.proof is not None:
            yield clean_rows(walker, piece)
            continue
        rows: list[list[str]] = []
        for record in piece.records:
            if any(_refused(flaw.code, strict=strict, ragged=ragged) for flaw in record.flaws):
                yield rows
                _refuse(walker, piece, strict=strict, ragged=ragged)
            if record.values == [""] and not record.quoted[0] and shape.columns != 1:
                continue
            rows.append(record.values + [""] * ((shape.columns - len(record.values)) if ragged == "pad" else 0))
        yield rows


def _refuse(walker: Walker, piece: Piece, *, strict: bool, ragged: Ragged) -> None:
    """Raise the first fault of the piece that is not to be read over."""
    for fault in piece.faults:
        if _refused(fault.code, strict=strict, ragged=ragged):
            raise FaultError(fault, walker.source.name)


def _refused(code: str, *, strict: bool, ragged: Ragged) -> bool:
    if code in _RAGGED:
        return ragged == "error" or (ragged == "pad" and code == "extra-fields")
    return strict and code not in COSMETIC


def clean_rows(walker: Walker, piece: Piece) -> Iterable[list[str]]:
    """The rows of a proved piece, by the quickest way there is."""
    dialect, columns = walker.dialect, walker.columns
    text = piece.data.decode()
    rows: Iterable[list[str]]
    if piece.proof and len(piece.proof.parts) == 1 and not dialect.escapechar and not dialect.skipinitialspace:
        lines = text.split(walker.newline)
        lines.pop()
        return [line.split(dialect.delimiter) for line in lines if line or columns]
    if len(dialect.delimiter) == 1 and len(text) <= csv.field_size_limit():  # the limit is not ours to change
        rows = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=dialect.delimiter,
            quotechar=dialect.quotechar,
            quoting=csv.QUOTE_MINIMAL if dialect.reads_quotes else csv.QUOTE_NONE,
            escapechar=dialect.escapechar,
            doublequote=dialect.doublequote,
            skipinitialspace=dialect.skipinitialspace,
        )
    else:
        rows = (record.values for record in walker.exactly(piece))
    if columns == 1:
        return (row or [""] for row in rows)
    return rows if columns else (row for row in rows if row not in ([], [""]))
