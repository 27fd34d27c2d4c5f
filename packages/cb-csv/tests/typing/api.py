"""The public API, type-checked from outside."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, assert_type

import cb_csv
from cb_csv import (
    RFC4180,
    Appender,
    ColumnStats,
    Converted,
    CsvError,
    Detection,
    Dialect,
    DialectError,
    Fault,
    FaultError,
    HeaderMismatch,
    LockTimeout,
    Quoting,
    append_dicts,
    append_rows,
    check,
    convert,
    detect,
    open_clean,
    prompt_dicts,
    prompt_rows,
    read_as,
    read_cells,
    read_dicts,
    read_rows,
    split_into,
    split_points,
    summarize,
    write_dicts,
    write_rows,
)

assert_type(cb_csv.__version__, str)


class Pair(NamedTuple):
    """A row."""

    left: int
    right: str


assert_type(RFC4180, Dialect)
dialect = Dialect(";", "'", escapechar=None, newline="\n", quoting=Quoting.ALL)
assert_type(dialect.quotechar, str | None)

# Every source and target is a path or a stream.
found = detect(Path("x.csv"), sample=1024)
assert_type(found, Detection)
assert_type(found.alternatives, list[tuple[Dialect, float]])
assert_type(check("x.csv", None, workers=2), Iterator[Fault])
assert_type(read_rows(io.StringIO(), dialect, ragged="pad"), Iterator[list[str]])
assert_type(read_dicts(io.BytesIO(), duplicates="suffix"), Iterator[dict[str, str]])
assert_type(read_cells("x.csv", dialect), Iterator[list[str | float | None]])
assert_type(read_as(Pair, "x.csv"), Iterator[Pair])
assert_type(convert("-", "-", source=None, target=dialect, on_fault="repair"), Converted)
assert_type(open_clean("x.csv.gz"), BinaryIO)
assert_type(summarize("x.csv"), list[ColumnStats])
assert_type(split_points("x.csv", 4), list[int])
assert_type(split_into("x.csv", "parts", 4), list[str])

write_rows("x.csv", [["a", 1, None]], dialect, encoding="utf-8-sig", guard_formulas=True)
write_dicts(io.StringIO(), [{"a": 1}], ["a"], sort_fields=True)
assert_type(append_rows("x.csv", [["a"]], fieldnames=["x"], durable=False), int)
assert_type(append_dicts("x.csv", [{"x": 1}]), int)
with Appender("x.csv", ["x"], lock_timeout=1) as appender:
    assert_type(appender.rows([[1]]), int)
    assert_type(appender.columns, list[str])
assert_type(prompt_rows(2), Iterator[list[str]])
assert_type(prompt_dicts(["a"]), Iterator[dict[str, str]])

# Errors carry what a caller acts on.
try:
    write_rows("x.csv", [])
except FaultError as error:
    assert_type((error.fault.line, error.name), tuple[int, str])
except HeaderMismatch as error:
    assert_type((error.expected, error.found), tuple[list[str], list[str]])
except (DialectError, LockTimeout, CsvError) as error:
    assert_type(str(error), str)
