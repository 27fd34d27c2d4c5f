"""Records of several files, side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from cb_map import codec
from cb_map.codec import Malformed
from cb_map.convert import careful, load
from cb_map.errors import BadRecord, LengthMismatch
from cb_map.files import source, target
from cb_map.lazy import Mode, rows_of
from cb_map.preview import Preview, previewing
from cb_map.reading import Batch
from cb_map.running import Settings, open_records
from cb_map.stream import ItemWriter, blank, closing, located

NAMES = "xyzuvw"


class _Items:
    """The decoded records of a file, and where the last one stands."""

    def __init__(self, src: BinaryIO, name: str, settings: Settings) -> None:
        self._batches, self._decode, _ = open_records(src, settings.form_of(name), codec.decode_any, name)
        self.name: str = name
        self.place: tuple[Batch, int] = Batch([b""], 1), 0

    def __iter__(self) -> Iterator[Any]:
        for batch in self._batches:
            for position, item in enumerate(batch.items):
                if not blank(batch, item):
                    self.place = batch, position
                    try:
                        value = careful(self._decode, item)
                    except Malformed as error:
                        raise located(error, batch, position, self.name) from None
                    yield value


def zip_into(settings: Settings, expression: str | None, mode: Mode, fill: str) -> int:
    """Write a record for each row; returns how many. Raises BadRecord and LengthMismatch after the rows before it."""
    files = settings.files
    names = NAMES[: len(files)]
    try:
        filling = careful(codec.decode_any, fill.encode())
    except Malformed as error:
        raise BadRecord("--fill", 1, error.column, error.reason, fill.encode()) from None
    form = settings.form_of(files[0])
    out = settings.out_for(settings.output, form)
    rows, encode = closing(out)
    function = load(expression, expression=True, names=names) if expression else _listed
    count = 0
    with contextlib.ExitStack() as stack:
        sources = [_Items(stack.enter_context(source(name)), name, settings) for name in files]
        if settings.preview:
            writer: ItemWriter | Preview = stack.enter_context(previewing(settings.preview))
            encode = codec.encode_json
        else:
            writer = ItemWriter(stack.enter_context(target(settings.output)), out, rows)
        try:
            for values in rows_of(tuple(sources), mode, filling):
                row = values if len(files) > 1 else (values,)
                try:
                    made = encode(function(*row))
                except Exception as error:  # the expression's error, at the place of the first file
                    raise located(error, *sources[0].place, sources[0].name) from error
                count += 1
                writer([made])
        except LengthMismatch as error:
            raise LengthMismatch(f"{', '.join(files)}: {error}") from None
        writer.end()
    return count


def _listed(*values: Any) -> list[Any]:
    return list(values)
