"""Writing rows and dicts: a file is replaced when all of it is written, with columns in an order that was asked for."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal

from cb_csv.dialect import RFC4180, Dialect, Quoting
from cb_csv.errors import DialectError, HeaderMismatch
from cb_csv.format import RowFormatter, guarded
from cb_csv.sink import Writable, sink

__all__ = ["encode_rows", "rows_of_dicts", "write_dicts", "write_rows"]

_BATCH = 512
_STDLIB: dict[Quoting, Literal[0, 1, 2]] = {
    Quoting.MINIMAL: csv.QUOTE_MINIMAL,
    Quoting.ALL: csv.QUOTE_ALL,
    Quoting.NONNUMERIC: csv.QUOTE_NONNUMERIC,
}


def encode_rows(rows: Iterable[Iterable[object]], dialect: Dialect, *, guard_formulas: bool = False) -> Iterator[bytes]:
    """Rows as UTF-8, some hundred of them at a time.

    Raises:
        DialectError: The dialect has no way to write a value.
    """
    iterator = iter(rows)
    if guard_formulas:
        iterator = ([guarded(value) if isinstance(value, str) else value for value in row] for row in iterator)
    quick = (
        dialect.quoting in _STDLIB
        and len(dialect.delimiter) == 1
        and dialect.quotechar
        and dialect.doublequote
        and dialect.escapechar is None
    )
    # Before Python 3.13 the csv module leaves a CR without quotes where lines end with LF.
    other_break = {"\r\n": "", "\n": "\r", "\r": "\n"}[dialect.newline]
    formatter = RowFormatter(dialect)
    while batch := list(islice(iterator, _BATCH)):
        if not quick:
            yield "".join([formatter.record(row) for row in batch]).encode()
            continue
        text = io.StringIO(newline="")
        writer = csv.writer(
            text,
            delimiter=dialect.delimiter,
            quotechar=dialect.quotechar,
            lineterminator=dialect.newline,
            quoting=_STDLIB[dialect.quoting],
        )
        writer.writerows(batch)
        done = text.getvalue()
        if other_break and other_break in done:
            done = "".join([formatter.record(row) for row in batch])
        yield done.encode()


def rows_of_dicts(
    dicts: Iterable[Mapping[str, object]],
    fieldnames: Sequence[str] | None,
    *,
    sort_fields: bool = False,
    missing: object = "",
    name: str = "-",
) -> tuple[list[str], Iterator[list[object]]]:
    """The columns of some dicts and their values in that order.

    Without *fieldnames* all dicts are looked at first, and so kept in memory.

    Raises:
        HeaderMismatch: A dict has a key that is not among *fieldnames*; for an iterator, when it comes to it.
    """
    if fieldnames is None:
        dicts = list(dicts)
        fieldnames = list(dict.fromkeys(key for one in dicts for key in one))
    columns = sorted(fieldnames) if sort_fields else list(fieldnames)
    known = frozenset(columns)

    def values() -> Iterator[list[object]]:
        for one in dicts:
            if not known.issuperset(one):
                raise HeaderMismatch(columns, list(one), name)
            yield [one.get(column, missing) for column in columns]

    return columns, values()


def write_rows(
    dst: Writable,
    rows: Iterable[Iterable[object]],
    dialect: Dialect = RFC4180,
    *,
    encoding: str = "utf-8",
    guard_formulas: bool = False,
    durable: bool = True,
) -> None:
    """Write rows to a file, which is replaced when all went well, and only then.

    Args:
        dst: A path, ``-`` for stdout, or a stream; compressed by the suffix .gz, .bz2, .xz, .zst.
        rows: Of anything; None becomes an empty field.
        dialect: How to write them.
        encoding: utf-8-sig, utf-16 and utf-32 begin with a byte order mark.
        guard_formulas: Put an apostrophe before text that a spreadsheet would run.
        durable: ``fsync`` before the old file goes.

    Raises:
        DialectError: The dialect has no way to write a value.

    Cost: constant memory; about the time of ``csv.writer``.

    >>> out = io.StringIO()
    >>> write_rows(out, [["1", "2, too"], [None, 3]])
    >>> out.getvalue()
    '1,"2, too"\\r\\n,3\\r\\n'
    """
    with sink(dst, encoding, durable=durable) as out:
        for data in encode_rows(rows, dialect, guard_formulas=guard_formulas):
            out.write(data)


def write_dicts(
    dst: Writable,
    dicts: Iterable[Mapping[str, object]],
    fieldnames: Sequence[str] | None = None,
    dialect: Dialect = RFC4180,
    *,
    sort_fields: bool = False,
    missing: object = "",
    encoding: str = "utf-8",
    guard_formulas: bool = False,
    durable: bool = True,
) -> None:
    """Write dicts under a header; the file is replaced when all went well, and only then.

    Args:
        dst: As for `write_rows`, and so are *dialect*, *encoding*, *guard_formulas* and *durable*.
        dicts: Each a row; a key that is missing is written as *missing*.
        fieldnames: The columns, in their order. By default all keys in the order in which they are first seen; then
            all dicts are held in memory.
        dialect: How to write them.
        sort_fields: Columns in alphabetical order.
        missing: Stands where a dict has no such key.
        encoding: Of the file.
        guard_formulas: As for `write_rows`.
        durable: As for `write_rows`.

    Raises:
        HeaderMismatch: A dict has a key that is not among *fieldnames*. The file is as it was.
        DialectError: No columns at all, or a value that the dialect has no way to write.

    >>> out = io.StringIO()
    >>> write_dicts(out, [{"b": 1, "a": 2}, {"c": 3}])
    >>> out.getvalue()
    'b,a,c\\r\\n1,2,\\r\\n,,3\\r\\n'
    """
    name = str(dst) if isinstance(dst, str) else getattr(dst, "name", "-")
    columns, rows = rows_of_dicts(dicts, fieldnames, sort_fields=sort_fields, missing=missing, name=str(name))
    if not columns:
        raise DialectError("no columns: there are no dicts, and no fieldnames (name the columns)")
    with sink(dst, encoding, durable=durable) as out:
        for part in (iter([columns]), rows):
            for data in encode_rows(part, dialect, guard_formulas=guard_formulas):
                out.write(data)
