"""`apply` with workers: the items of a file through `pmap`, each with its place, so that none is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cb_map.convert import Function
from cb_map.engine import Stats
from cb_map.errors import BadRecord, ItemError
from cb_map.mapped import Mapped, pmap
from cb_map.reading import Batch
from cb_map.stream import Counts, Trouble, Writer, blank, ending, located

Row = tuple[bytes, int, int, bytes]
"""Item, line, column, line's end."""


class _OnItem:
    """Calls the function with the item of a row."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def __call__(self, row: Row) -> bytes | None:
        return self._function(row[0])


def rows(batches: Iterator[Batch], counts: Counts) -> Iterator[Row]:
    """Items with their places; blank lines are passed over."""
    for batch in batches:
        for position, item in enumerate(batch.items):
            if not blank(batch, item):
                counts.read += 1
                yield (item, *batch.place(position), ending(batch, position))


def converting(
    *,
    backend: Any,
    jobs: int | None,
    ordered: bool,
    retries: int,
    timeout: float | None,
    progress: Callable[[Stats], object] | None,
) -> Callable[[Iterator[Batch], Any, Writer, Counts, Trouble, str], None]:
    """What takes the place of `stream.convert`."""

    def convert(
        batches: Iterator[Batch], function: Function, writer: Writer, counts: Counts, trouble: Trouble, source: str
    ) -> None:
        results: Mapped[Any] = pmap(
            _OnItem(function),
            rows(batches, counts),
            backend=backend,
            workers=jobs,
            ordered=ordered,
            retries=retries,
            timeout=timeout,
            progress=progress,
            errors="return",
        )
        with results:
            for result in results:
                if isinstance(result, ItemError):
                    counts.bad += 1
                    item, line, column, end = _row(result)
                    trouble.report(_bad(result, Batch([item], line, [line], [column]), source), end)
                elif result is None:
                    counts.left_out += 1
                else:
                    counts.written += 1
                    writer([result])

    return convert


def _row(error: ItemError) -> Any:
    return error.args_[0]


def _bad(error: ItemError, batch: Batch, source: str) -> BadRecord:
    cause = error.__cause__
    assert cause is not None
    return located(cause, batch, 0, source)
