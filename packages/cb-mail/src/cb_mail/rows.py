"""Rows for a merge: CSV with a header, or JSON Lines. Read whole: a merge sends nothing before all rows are good."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

from cb_mail.errors import TemplateError

__all__ = ["Row", "Rows", "read_rows"]

Row: TypeAlias = dict[str, Any]
Rows: TypeAlias = list[Row]


def read_rows(data: bytes, name: str, *, kind: Literal["csv", "jsonl", ""] = "") -> Rows:
    """Read rows; *name* stands in errors, and its ending says the kind where *kind* does not.

    Raises:
        TemplateError: The bytes are not UTF-8, a line is not JSON, or a row has not as many fields as the header.
            ``FILE:LINE`` begins its text.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise TemplateError(f"{name}:{line}: not UTF-8 (convert it: iconv -t utf-8)") from error
    if not kind:
        kind = "jsonl" if Path(name).suffix in {".jsonl", ".ndjson", ".json"} or text.lstrip()[:1] == "{" else "csv"
    return list(_json_lines(text, name) if kind == "jsonl" else _csv(text, name))


def _json_lines(text: str, name: str) -> Iterator[Row]:
    row = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        row += 1
        try:
            value = json.loads(line)
        except ValueError as error:
            place = getattr(error, "colno", 1)
            raise TemplateError(
                f"{name}:{number}:{place}: not JSON: {getattr(error, 'msg', error)}", row=row
            ) from error
        if not isinstance(value, dict):
            raise TemplateError(f"{name}:{number}:1: no object (one on each line)", row=row)
        yield value


def _csv(text: str, name: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    row = 0
    try:
        for cells in reader:
            if not cells:
                continue
            if header is None:
                header = cells
                if len(set(header)) < len(header) or not all(header):
                    raise TemplateError(
                        f"{name}:1: two columns of one name, or one without a name (the first line is the header)"
                    )
                continue
            row += 1
            if len(cells) != len(header):
                raise TemplateError(
                    f"{name}:{reader.line_num}: {len(cells)} fields; the header has {len(header)}", row=row
                )
            yield dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise TemplateError(f"{name}:{reader.line_num}: {error} (quotes?)", row=row + 1) from error
