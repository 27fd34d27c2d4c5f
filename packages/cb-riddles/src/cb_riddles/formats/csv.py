"""CSV with a header: ``riddle,correct,option_1,option_2`` and on; correct holds the right options' numbers."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from cb_riddles.formats.record import Fault, Record, when

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MORE = ("hint", "explanation", "category", "pub_date")
_OPTION = re.compile(r"option_[1-9][0-9]*")


def loads(lines: Iterable[str]) -> Iterator[Record | Fault]:
    """Read a record from each row; a fault in the header is the only one."""
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip().removeprefix("\ufeff") for name in next(reader, [])]
        if reason := _wrong(header):
            yield Fault(1, reason)
            return
        while True:
            line = reader.line_num + 1
            if (row := next(reader, None)) is None:
                return
            if row:
                yield _read(header, row, line)
    except csv.Error as error:
        yield Fault(reader.line_num, f"not CSV: {error}")


def _wrong(header: list[str]) -> str:
    for name in ("riddle", "correct", "option_1", "option_2"):
        if name not in header:
            return f"the header has no column {name!r}"
    for name in header:
        if name not in {"riddle", "correct", *_MORE} and not _OPTION.fullmatch(name):
            return f"no column is called {name!r} (there are: riddle, correct, option_1 and on, {', '.join(_MORE)})"
        if header.count(name) > 1:
            return f"the column {name!r} is there twice"
    return ""


def _read(header: list[str], row: list[str], line: int) -> Record | Fault:
    if len(row) != len(header):
        return Fault(line, f"{len(row)} fields, the header has {len(header)}")
    cells = dict(zip(header, row, strict=True))
    options = {int(name[7:]): cells[name] for name in header if _OPTION.fullmatch(name) and cells[name].strip()}
    try:
        right = {int(number) for number in cells["correct"].split()}
        moment = when(cells.get("pub_date", "").strip())
    except ValueError as error:
        return Fault(line, str(error) if "time zone" in str(error) else f"not numbers, or no date: {error}")
    if strange := sorted(right - options.keys()):
        return Fault(line, f"correct names option {strange[0]}, which has no text")
    pairs = tuple((text, number in right) for number, text in sorted(options.items()))
    hint, explanation, category = (cells.get(name, "") for name in _MORE[:3])
    return Record(cells["riddle"], pairs, hint, explanation, category, moment, line)


def dumps(records: Iterable[Record]) -> Iterator[str]:
    """Write a header that has room for the record with the most options, and a row for each."""
    rows = list(records)
    most = max((len(record.options) for record in rows), default=2)
    names = [f"option_{number}" for number in range(1, max(most, 2) + 1)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["riddle", "correct", *names, *_MORE])
    for record in rows:
        right = " ".join(str(number) for number, (_, correct) in enumerate(record.options, 1) if correct)
        texts = [text for text, _ in record.options] + [""] * (len(names) - len(record.options))
        moment = record.pub_date.isoformat() if record.pub_date else ""
        writer.writerow([record.riddle_text, right, *texts, record.hint, record.explanation, record.category, moment])
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()
