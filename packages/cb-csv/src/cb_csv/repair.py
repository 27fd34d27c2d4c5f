"""What a damaged record becomes: of the right length, decodable, and with every character that it had."""

from __future__ import annotations

import re

from cb_csv.scan import Record

__all__ = ["DONE", "repair"]

DONE: dict[str, str] = {
    "stray-quote": "the quote is text now",
    "text-after-quote": "quotes and text are one field now",
    "unterminated-quote": "the quote is text now",
    "missing-fields": "filled with empty fields",
    "extra-fields": "surplus fields joined into the last one",
    "unquoted-newline": "the field has quotes now",
    "bare-lf": "ended as the others",
    "bare-cr": "ended as the others",
    "bad-encoding": "read as Windows-1252",
    "no-final-newline": "line end added",
}
"""What is done about a fault, by its code; others are left as they are."""

_UNDECODED = re.compile("[\udc80-\udcff]+")


def repair(record: Record, columns: int, delimiter: str) -> None:
    """Mend a record in place.

    >>> record = Record(0, values=["1", "a", "b"], quoted=[False] * 3)
    >>> repair(record, 2, ",")
    >>> record.values
    ['1', 'a,b']
    """
    record.values = [_UNDECODED.sub(_windows, value) for value in record.values]
    missing = columns - len(record.values)
    if record.values == [""] and not record.quoted[0]:
        return  # a blank line
    if missing > 0:
        record.values += [""] * missing
        record.quoted += [False] * missing
    elif missing < 0 and columns:
        record.values[columns - 1 :] = [delimiter.join(record.values[columns - 1 :])]
        record.quoted[columns - 1 :] = [any(record.quoted[columns - 1 :])]


def _windows(match: re.Match[str]) -> str:
    data = bytes(ord(char) - 0xDC00 for char in match[0])
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")
