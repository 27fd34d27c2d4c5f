"""Files as batches of items, the bytes of one record each; nothing is decoded here.

Memory is a block, and the item that it ends in. Lines and the elements of JSON arrays are found without being
understood, so that a bad one can be told from its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal, TypeAlias

Format: TypeAlias = Literal["jsonl", "json", "csv", "tsv"]
FORMATS: tuple[Format, ...] = ("jsonl", "json", "csv", "tsv")
DELIMITERS: dict[str, str] = {"csv": ",", "tsv": "\t"}
BOM = b"\xef\xbb\xbf"
BLOCK = 60 * 1024
"""Bytes read at once. What is made of them fits a cache, and malloc keeps its pages: larger ones took longer."""


class Batch:
    """Items, with the line (and, where several stand in one line, the column) at which each begins.

    Made of a list, or of a *block* of whole lines, which is split only where somebody looks at single items. *lines* is
    for items that are not one on each line, *suspect* for bytes that are no UTF-8, *cut* for a last item without a
    line's end.
    """

    __slots__ = ("_items", "block", "columns", "cut", "line", "lines", "suspect")

    def __init__(
        self,
        items: list[bytes] | bytes,
        line: int,
        lines: list[int] | None = None,
        columns: list[int] | None = None,
        *,
        suspect: bool = False,
        cut: bool = False,
    ) -> None:
        self.block: bytes | None = items if isinstance(items, bytes) else None
        self._items: list[bytes] | None = None if isinstance(items, bytes) else items
        self.line: int = line
        self.lines: list[int] | None = lines
        self.columns: list[int] | None = columns
        self.suspect: bool = suspect
        self.cut: bool = cut

    @property
    def items(self) -> list[bytes]:
        """Item by item."""
        if self._items is None:
            assert self.block is not None
            self._items = self.block.split(b"\n")
        return self._items

    def __len__(self) -> int:
        if self._items is not None:
            return len(self._items)
        assert self.block is not None
        return self.block.count(b"\n") + 1

    def place(self, position: int) -> tuple[int, int]:
        """Line and column, from 1, of an item."""
        line = self.lines[position] if self.lines is not None else self.line + position
        return line, self.columns[position] if self.columns is not None else 1


def format_of(name: str) -> Format:
    """What a file's name says: json, csv, tsv by their extension, else JSON Lines."""
    extension = name.rpartition(".")[2].lower()
    return "json" if extension == "json" else "csv" if extension == "csv" else "tsv" if extension == "tsv" else "jsonl"


def read(stream: BinaryIO, form: Format) -> Iterator[Batch]:
    """The batches of a stream. A byte-order mark is passed over. Blank lines are items, too."""
    if form == "jsonl":
        return lines(stream)
    return records(lines(stream)) if form in DELIMITERS else elements(stream)


def _reader(stream: BinaryIO) -> Callable[[int], bytes]:
    """Reads what is there, up to a size: what comes slowly through a pipe is not waited for."""
    return getattr(stream, "read1", stream.read)


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def lines(stream: BinaryIO) -> Iterator[Batch]:
    """Whole lines, without their ends. A last one that has no end is a line like others."""
    get = _reader(stream)
    parts: list[bytes] = []
    number = 1
    first = True
    while True:
        data = get(BLOCK)
        if first and data:
            while len(data) <= len(BOM) and BOM.startswith(data) and (more := get(BLOCK)):
                data += more
            data, first = data.removeprefix(BOM), False
        end = data.rfind(b"\n")
        if data and end < 0:
            parts.append(data)
            continue
        parts.append(data[: max(end, 0)])
        block = b"".join(parts)
        parts = [data[end + 1 :]] if data else []
        if data or block:
            batch = Batch(block, number, suspect=not _is_utf8(block), cut=not data)
            yield batch
            number += len(batch)
        if not data:
            return


def records(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Rows of CSV: lines, but for those that a quoted cell goes on in."""
    waiting: list[bytes] = []
    quotes = begins = 0
    cut = False
    for batch in batches:
        items: list[bytes] = []
        numbers: list[int] = []
        for number, line in enumerate(batch.items, batch.line):
            begins = begins if waiting else number
            waiting.append(line)
            quotes += line.count(b'"')
            if quotes % 2 == 0:
                items.append(b"\n".join(waiting) if len(waiting) > 1 else line)
                numbers.append(begins)
                waiting, quotes = [], 0
        if items:
            yield Batch(items, numbers[0], numbers, suspect=batch.suspect, cut=batch.cut and not waiting)
        cut = batch.cut
    if waiting:  # a quote that nothing closes
        yield Batch([b"\n".join(waiting)], begins, [begins], suspect=True, cut=cut)


def elements(stream: BinaryIO) -> Iterator[Batch]:
    """The elements of one JSON array; or JSON objects one after another, on one line each or on many."""
    from cb_map.scan import Elements  # as the next lines do not need what it imports

    scan = Elements()
    get = _reader(stream)
    size = BLOCK
    last = False
    while not last:
        data = get(size)
        last = not data
        found = scan.feed(data, last=last)
        # An element that is longer than all that was read: read more at once, or looking it through is quadratic.
        size = BLOCK if found else min(size * 2, 1 << 28)
        if found:
            parts: list[Any] = [list(part) for part in zip(*found, strict=True)]
            numbers, columns, items = parts
            yield Batch(items, numbers[0], numbers, columns, suspect=not all(map(_is_utf8, items)))
