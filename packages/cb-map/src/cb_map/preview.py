"""The first results as a table, for people."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cb_map import codec

WIDEST = 32
"""Characters of a cell; longer ones are cut."""


class Enough(Exception):
    """The table is full."""


@contextlib.contextmanager
def previewing(wanted: int) -> Iterator[Preview]:
    """A table that is shown when it is full, or when there is no more."""
    table = Preview(wanted)
    with contextlib.suppress(Enough):
        yield table
    sys.stdout.write(f"{table.text()}\n")


class Preview:
    """A writer that keeps the first *wanted* items, and then raises `Enough`."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._items: list[Any] = []

    def __call__(self, items: list[bytes] | bytes) -> None:
        """Take items, or lines of JSON."""
        for item in items.splitlines() if isinstance(items, bytes) else items:
            self._items.append(codec.decode_any(item))
            if len(self._items) == self._wanted:
                raise Enough

    def flush(self) -> None:
        """Nothing is held back from anybody."""

    def end(self, names: Callable[[], Sequence[str]] = tuple) -> None:
        """The input had no more; without a row there is no table."""

    def text(self) -> str:
        """Columns in the order in which their names came; values that are no records stand in one column."""
        records = [item if isinstance(item, dict) else {"value": item} for item in self._items]
        names = list(dict.fromkeys(name for record in records for name in record))
        table = [names, *([_cell(record.get(name, "")) for name in names] for record in records)]
        widths = [max(len(row[column]) for row in table) for column in range(len(names))]
        rule = ["─" * width for width in widths]
        padded = (
            [cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in [names, rule, *table[1:]]
        )
        return "\n".join("  ".join(row).rstrip() for row in padded)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else codec.encode_json(value).decode()
    text = "".join(character if character.isprintable() else "·" for character in text)
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
