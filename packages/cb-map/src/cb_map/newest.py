"""The newest row of each key, out of files: what ``latest`` writes and ``attach`` looks up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

from cb_map import codec
from cb_map.convert import careful
from cb_map.errors import Incomparable, MissingField
from cb_map.files import source
from cb_map.joins import Newest
from cb_map.preview import Preview
from cb_map.reading import Format
from cb_map.running import Settings, open_records, outputs, quarantine, report
from cb_map.stream import Counts, ItemWriter, Trouble, blank, closing, ending, located


def take(newest: Newest, name: str, form: Format, counts: Counts, trouble: Trouble) -> Sequence[str]:
    """Add the rows of a file, and return its columns; bad rows are reported with their places."""
    with source(name) as src:
        batches, decode, rows = open_records(src, form, codec.decode_object, name)
        if rows is not None and rows.header is not None:
            trouble.header = rows.row(rows.header) + b"\n"
        for batch in batches:
            for position, item in enumerate(batch.items):
                if blank(batch, item):
                    continue
                counts.read += 1
                try:
                    newest.add(careful(decode, item))
                except (codec.Malformed, MissingField, Incomparable) as error:
                    counts.bad += 1
                    trouble.report(located(error, batch, position, name), ending(batch, position))
        return rows.header or () if rows is not None else ()


def index(name: str, form: Format, by: str, on: str | None) -> dict[Any, Any]:
    """From key to row, out of a file in which every row must be good."""
    newest = Newest(by, on, iso=True)
    take(newest, name, form, Counts(), Trouble())
    return newest.rows()


def keep_newest(settings: Settings, by: str, on: str) -> None:
    """Write the newest rows of the files; ends the process with status 1 where rows were bad."""
    settings.check()
    counts = Counts()

    def files(names: tuple[str, ...], stream: BinaryIO | Preview, output: str) -> None:
        newest = Newest(by, on, iso=True)
        columns: Sequence[str] = ()
        for name in names:
            columns = take(newest, name, settings.form_of(name), counts, trouble)
        out = settings.out_for(output, settings.form_of(names[0]))
        rows, encode = closing(out)
        writer = stream if isinstance(stream, Preview) else ItemWriter(stream, out, rows)
        encode = codec.encode_json if isinstance(stream, Preview) else encode
        kept = newest.rows().values()
        writer([encode(row) for row in kept])
        writer.end(lambda: columns)
        counts.written += len(kept)

    with quarantine(settings.on_error, settings.files) as trouble:
        outputs(settings, trouble, files)
    counts.left_out = counts.read - counts.written - counts.bad
    report(settings, counts, trouble)
