"""From a stream of records to another: each one is converted, left out on purpose, or reported; none is lost."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, Literal, TypeAlias

from msgspec import Struct

from cb_map import codec
from cb_map.codec import Malformed, Rows
from cb_map.convert import Converter, converter
from cb_map.errors import BadRecord
from cb_map.reading import DELIMITERS, Batch, Format, read
from cb_map.transforms import Transform

OnError: TypeAlias = Literal["stop", "skip"] | BinaryIO


class Counts(Struct):
    """``read == written + left_out + bad``; blank lines are not records."""

    read: int = 0
    written: int = 0
    left_out: int = 0
    bad: int = 0


class Trouble(Struct):
    """What becomes of bad records."""

    on_error: OnError = "stop"
    say: Callable[[BadRecord], object] | None = None
    reasons: BinaryIO | None = None
    """Takes a line of JSON for each bad record: source, line, column, reason, bytes."""
    header: bytes = b""
    """Stands at the top of what is quarantined."""
    found: int = 0

    def report(self, bad: BadRecord, end: bytes) -> None:
        """Raise it, or note it and go on."""
        if self.on_error == "stop":
            raise bad
        self.found += 1
        if self.say is not None:
            self.say(bad)
        if not isinstance(self.on_error, str):
            if self.found == 1:
                self.on_error.write(self.header)
            self.on_error.write(bad.raw + end)
        if self.reasons is not None:
            about = {"source": bad.source, "line": bad.line, "column": bad.column, "reason": bad.reason}
            self.reasons.write(codec.encode_json({**about, "bytes": len(bad.raw)}) + b"\n")

    def settle(self) -> None:
        """Put what was quarantined on the disk."""
        for stream in (self.on_error, self.reasons):
            if stream is not None and not isinstance(stream, str):
                stream.flush()
                os.fsync(stream.fileno())


Writer: TypeAlias = Callable[[list[bytes] | bytes], object]


class ItemWriter:
    """Writes records in a format; `end` closes an array, and makes the header of a file without rows."""

    def __init__(self, stream: BinaryIO, form: Format, rows: Rows | None) -> None:
        self._stream = stream
        self._form = form
        self._rows = rows
        self._begun = False

    def __call__(self, items: list[bytes] | bytes) -> None:
        """Write items, or whole lines of JSON."""
        if not items:
            return
        if isinstance(items, bytes):
            self._stream.write(items)
        elif self._form == "json":
            self._stream.write((b",\n" if self._begun else b"[\n") + b",\n".join(items))
        else:
            if self._rows is not None and self._rows.header is not None and not self._begun:
                self._stream.write(self._rows.row(self._rows.header) + b"\n")
            items.append(b"")  # the last line's end
            self._stream.write(b"\n".join(items))
        self._begun = True

    def flush(self) -> None:
        """Let the reader of a pipe have what there is."""
        self._stream.flush()

    def end(self, names: Callable[[], Sequence[str]] = tuple) -> None:
        """What stands at the end. *names* are asked for the header where no record has made one."""
        if self._form == "json":
            self._stream.write(b"\n]\n" if self._begun else b"[]\n")
        elif self._rows is not None and not self._begun and (header := names()):
            self._stream.write(self._rows.row(header) + b"\n")


def transform_stream(
    src: BinaryIO,
    dst: BinaryIO,
    transform: Transform,
    *,
    form: Format = "jsonl",
    out: Format | None = None,
    on_error: OnError = "stop",
    source: str = "-",
) -> Counts:
    """Put every record of *src* through *transform* and write it to *dst*, both binary streams.

    Options:
        form: of *src*: ``"jsonl"``, ``"json"`` (an array, or objects one after another), ``"csv"``, ``"tsv"``.
        out: of *dst*; the same where it is not given.
        on_error: ``"stop"`` raises at the first bad record, after all before it are written; ``"skip"`` goes on
            without it; a binary stream takes its bytes as they were.
        source: what *src* is called in messages.

    JSON values that *transform* does not touch keep their bytes; it finds them as `msgspec.Raw`. Takes memory for a
    block of 60 kB and the longest record.

    Raises:
        BadRecord: with line and column, the reason, and the bytes.

    >>> import io
    >>> from cb_map import omit
    >>> out = io.BytesIO()
    >>> transform_stream(io.BytesIO(b'{"n": 1.10, "salt": "x"}\\n{"n": 1e400}'), out, omit("salt"))
    Counts(read=2, written=2, left_out=0, bad=0)
    >>> out.getvalue().decode().split()
    ['{"n":1.10}', '{"n":1e400}']
    """
    out = out or form
    batches, decode, header = opening(src, form, codec.decode_object)
    rows, encode = closing(out)
    counts = Counts()
    writer = ItemWriter(dst, out, rows)
    conversion = converter(transform, decode, encode, lines=out == "jsonl")
    convert(batches, conversion, writer, counts, Trouble(on_error), source)
    writer.end(lambda: conversion.names(header.header) if header is not None and header.header else ())
    return counts


def opening(src: BinaryIO, form: Format, json: codec.Decode) -> tuple[Iterator[Batch], codec.Decode, Rows | None]:
    """Batches of a stream and what decodes their items; the header of CSV is read here."""
    batches = read(src, form)
    if form not in DELIMITERS:
        laid_out = form == "json" and json is codec.decode_object
        return batches, codec.decode_laid_out if laid_out else json, None
    rows = Rows(DELIMITERS[form])
    for batch in batches:
        for position, item in enumerate(batch.items):
            if item.strip():
                rows.header = rows.cells(item)
                if len(set(rows.header)) < len(rows.header):
                    twice = next(name for name in rows.header if rows.header.count(name) > 1)
                    raise Malformed(f"the header has {twice!r} twice (rename one)")
                numbers = batch.lines
                rest = Batch(
                    batch.items[position + 1 :],
                    0,
                    numbers and numbers[position + 1 :],
                    suspect=batch.suspect,
                    cut=batch.cut,
                )
                return _chained(rest, batches), rows.decode, rows
    return iter(()), rows.decode, rows


def _chained(first: Batch, others: Iterator[Batch]) -> Iterator[Batch]:
    if len(first):
        yield first
    yield from others


def closing(out: Format, header: list[str] | None = None) -> tuple[Rows | None, codec.Encode]:
    """What encodes records for a format."""
    if out in DELIMITERS:
        rows = Rows(DELIMITERS[out], header)
        return rows, rows.encode
    return None, codec.encode_json


def convert(
    batches: Iterable[Batch], conversion: Converter, writer: Writer, counts: Counts, trouble: Trouble, source: str
) -> None:
    """Convert batch after batch; one that has something bad in it is gone through item by item."""
    for batch in batches:
        made: list[bytes] | bytes | None = None
        if conversion.repeatable and not batch.suspect:
            with contextlib.suppress(Exception):  # found again, and reported, one by one
                made = conversion.many(batch)
        if made is None:
            _carefully(batch, conversion, writer, counts, trouble, source)
            continue
        read = len(batch)
        written = read if isinstance(made, bytes) else len(made)
        counts.read += read
        counts.written += written
        counts.left_out += read - written
        writer(made)


def _carefully(
    batch: Batch, conversion: Converter, writer: Writer, counts: Counts, trouble: Trouble, source: str
) -> None:
    made: list[bytes] = []
    try:
        for position, item in enumerate(batch.items):
            if blank(batch, item):
                continue
            counts.read += 1
            try:
                result = conversion.one(item)
            except Exception as error:  # noqa: BLE001  # reported with its place
                counts.bad += 1
                trouble.report(located(error, batch, position, source), ending(batch, position))
                continue
            if result is None:
                counts.left_out += 1
            else:
                made.append(result)
                counts.written += 1
    finally:
        writer(made)


def blank(batch: Batch, item: bytes) -> bool:
    """Whether an item is a blank line; in an array, nothing between commas is no blank line."""
    return batch.columns is None and not item.strip()


def ending(batch: Batch, position: int) -> bytes:
    """The line's end of an item."""
    return b"" if batch.cut and position == len(batch.items) - 1 else b"\n"


def located(error: BaseException, batch: Batch, position: int, source: str) -> BadRecord:
    """The error as a BadRecord that says where."""
    line, column = batch.place(position)
    item = batch.items[position]
    if isinstance(error, Malformed):
        before = item[: error.column - 1]
        breaks = before.count(b"\n")
        column = len(before) - before.rfind(b"\n") if breaks else column + error.column - 1
        bad = BadRecord(source, line + breaks, column, error.reason, item)
    else:
        bad = BadRecord(source, line, column, f"{type(error).__name__}: {error}", item)
    bad.__cause__ = error
    return bad
