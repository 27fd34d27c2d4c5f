"""What a command does with its files: open, convert, write, report, replace."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO

from msgspec import Struct

from cb_map import codec
from cb_map.codec import Malformed
from cb_map.convert import WritingConverter, converter
from cb_map.ending import say
from cb_map.errors import BadRecord, UsageProblem
from cb_map.files import replacing, source, target
from cb_map.preview import Preview, previewing
from cb_map.reading import Batch, Format, format_of
from cb_map.stream import Counts, ItemWriter, Trouble, Writer, closing, convert, opening
from cb_map.transforms import Transform

SHOWN = 10
"""Bad records that are named on stderr; further ones are counted."""

Make = Callable[[codec.Decode, codec.Encode, bool], WritingConverter]
"""From decode, encode, and whether the output is JSON Lines, to a converter."""
Run = Callable[[Iterator[Batch], Any, Writer, Counts, Trouble, str], object]
"""`convert`, or what does the same in parallel."""
Files = Callable[[tuple[str, ...], "BinaryIO | Preview", str], None]
"""From the names of inputs, a stream and its name, to what is written into it."""


class Settings(Struct):
    """The shared options."""

    files: tuple[str, ...] = ()
    form: Format | None = None
    out: Format | None = None
    output: str = "-"
    in_place: bool = False
    on_error: str = "stop"
    preview: int | None = None
    verbose: bool = False

    def check(self) -> None:
        """Refuse what contradicts itself, before anything is read or written."""
        if self.in_place and (not self.files or "-" in self.files or self.output != "-" or self.preview):
            raise UsageProblem("--in-place wants FILEs, and neither --output nor --preview")
        for name in self.files:
            if name == "-":
                continue
            if not os.path.exists(name):  # noqa: PTH110  # pathlib takes longer to import than small files to read
                raise UsageProblem(f"{name}: No such file or directory (look at the name and the rights)")
            if os.path.isdir(name):  # noqa: PTH112
                raise UsageProblem(f"{name}: Is a directory (look at the name and the rights)")

    def form_of(self, name: str) -> Format:
        """The format of an input."""
        return self.form or format_of(name)

    def out_for(self, name: str, form: Format) -> Format:
        """The format of an output: said, told by its name, or that of the input."""
        return self.out or (format_of(name) if name != "-" and not self.in_place else form)


@contextlib.contextmanager
def quarantine(policy: str, files: tuple[str, ...]) -> Iterator[Trouble]:
    """What happens to bad records; both files of a quarantine are on the disk before any result takes its place."""
    name = policy.partition("=")[2]
    trouble = Trouble("skip" if policy == "skip" else "stop")

    def show(bad: BadRecord) -> None:
        if trouble.found <= SHOWN:
            say(str(bad) if trouble.found < SHOWN else f"{bad} (further ones are only counted)")

    trouble.say = show
    if not name:
        yield trouble
        return
    if name in files:
        raise UsageProblem(f"{name} is an input as well (quarantine into another file)")
    with open(name, "wb") as bad, open(f"{name}.reasons", "wb") as reasons:  # noqa: PTH123
        trouble.on_error, trouble.reasons = bad, reasons
        yield trouble


def run(settings: Settings, make: Make, *, decode: codec.Decode = codec.decode_object, by: Run = convert) -> None:
    """Do it for all files; ends the process with status 1 where records were bad."""
    settings.check()
    counts = Counts()
    with quarantine(settings.on_error, settings.files) as trouble:
        outputs(settings, trouble, _Work(settings, make, decode, by, counts, trouble).files)
    report(settings, counts, trouble)


def outputs(settings: Settings, trouble: Trouble, files: Files) -> None:
    """Call *files* for each output that there is, and put that in its place when all went well."""
    if settings.in_place:
        for name in settings.files:
            with replacing(name) as stream:
                files((name,), stream, name)
                trouble.settle()
    elif settings.preview:
        with previewing(settings.preview) as table:
            files(settings.files or ("-",), table, "-")
    else:
        with target(settings.output) as stream:
            files(settings.files or ("-",), stream, settings.output)
            trouble.settle()


def run_transform(settings: Settings, transform: Transform) -> None:
    """`run` with a transform of records."""
    run(settings, lambda decode, encode, lines: converter(transform, decode, encode, lines=lines))


def report(settings: Settings, counts: Counts, trouble: Trouble) -> None:
    """The last words, and the status."""
    if trouble.found:
        name = settings.on_error.partition("=")[2]
        what = f"they are in {name}, the reasons in {name}.reasons" if name else "they were left out"
        say(f"{trouble.found} of {counts.read} records were bad; {what}")
    if settings.verbose:
        say(f"{counts.read} read, {counts.written} written, {counts.left_out} left out, {counts.bad} bad")
    if trouble.found:
        sys.exit(1)


class _Work(Struct):
    settings: Settings
    make: Make
    decode: codec.Decode
    by: Run
    counts: Counts
    trouble: Trouble

    def files(self, names: tuple[str, ...], stream: BinaryIO | Preview, output: str) -> None:
        """Several inputs to one output."""
        writer: ItemWriter | Preview | None = None
        columns: Callable[[], Sequence[str]] = tuple
        encode: codec.Encode = codec.encode_json
        lines = True
        for name in names:
            with source(name) as src:
                form = self.settings.form_of(name)
                batches, decode, rows = open_records(src, form, self.decode, name)
                if isinstance(stream, Preview):
                    writer = stream
                elif writer is None:
                    out = self.settings.out_for(output, form)
                    target_rows, encode = closing(out)
                    writer = ItemWriter(stream, out, target_rows)
                    lines = out == "jsonl"
                if rows is not None and rows.header is not None:
                    self.trouble.header = rows.row(rows.header) + b"\n"
                conversion = self.make(decode, encode, lines)
                if rows is not None and rows.header is not None:
                    columns = partial(conversion.names, rows.header)
                self.by(flushing(batches, writer), conversion, writer, self.counts, self.trouble, name)
        if isinstance(writer, ItemWriter):
            writer.end(columns)


def open_records(src: BinaryIO, form: Format, json: codec.Decode, name: str) -> Any:
    """`opening`, with a bad header as what it is: a bad first line."""
    try:
        return opening(src, form, json)
    except Malformed as error:
        raise BadRecord(name, 1, error.column, error.reason, b"") from None
    except UnicodeDecodeError:
        raise BadRecord(name, 1, 1, "the header is no UTF-8 (convert it: iconv -t utf-8)", b"") from None


def flushing(batches: Iterator[Batch], writer: Any) -> Iterator[Batch]:
    """Where lines come slowly, each one's result is handed on before the next is waited for."""
    for batch in batches:
        yield batch
        if len(batch) < 100:
            writer.flush()
