"""JSON Lines: ``{"riddle": "...", "options": [{"text": "...", "correct": true}, ...]}``; nothing is lost either way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cb_riddles.formats.record import Fault, Malformed, Record, when

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MORE = ("hint", "explanation", "category", "pub_date")


def loads(lines: Iterable[str]) -> Iterator[Record | Fault]:
    """Read a record from each line that is not blank."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _record(json.loads(line), number)
            except json.JSONDecodeError as error:
                yield Fault(number, f"not JSON: {error.msg} at column {error.colno}")
            except (ValueError, RecursionError) as error:
                yield Fault(number, str(error))


def _record(row: Any, line: int) -> Record:
    if not isinstance(row, dict):
        raise Malformed("not an object (write {...})")
    if unknown := sorted(row.keys() - {"riddle", "options", *_MORE}):
        raise Malformed(f"no field is called {unknown[0]!r} (there are: riddle, options, {', '.join(_MORE)})")
    texts = {name: row.get(name) or "" for name in ("riddle", *_MORE)}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise Malformed(f"{name} is {json.dumps(value)}, not a string")
    options = row.get("options")
    if not isinstance(options, list):
        raise Malformed("options must be a list")
    pairs = []
    for option in options:
        if not isinstance(option, dict) or not isinstance(option.get("text"), str) or option.keys() - _OPTION:
            raise Malformed(f'{json.dumps(option)} is no option (write {{"text": "...", "correct": true}})')
        if not isinstance(option.get("correct", False), bool):
            raise Malformed(f"correct is {json.dumps(option['correct'])}, not true or false")
        pairs.append((option["text"], option.get("correct", False)))
    moment = when(texts["pub_date"])
    more = (texts["hint"], texts["explanation"], texts["category"])
    return Record(texts["riddle"], tuple(pairs), *more, moment, line)


_OPTION = {"text", "correct"}


def dumps(records: Iterable[Record]) -> Iterator[str]:
    """Write a line for each record."""
    for record in records:
        row: dict[str, Any] = {
            "riddle": record.riddle_text,
            "options": [{"text": text, "correct": correct} for text, correct in record.options],
        }
        row |= {name: value for name in _MORE[:3] if (value := getattr(record, name))}
        if record.pub_date:
            row["pub_date"] = record.pub_date.isoformat()
        yield json.dumps(row, ensure_ascii=False) + "\n"
