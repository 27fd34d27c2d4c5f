"""Reading everything and writing nothing."""

from __future__ import annotations

from cb_map import codec
from cb_map.convert import Function
from cb_map.files import source
from cb_map.reading import Batch
from cb_map.running import Settings, open_records, quarantine
from cb_map.stream import Counts, convert


class _Read:
    """A converter that decodes, and gives nothing."""

    repeatable: bool = True

    def __init__(self, decode: codec.Decode) -> None:
        self._one = Function(None, expression=False, decode=decode)
        self._decode = decode

    def many(self, batch: Batch) -> list[bytes]:
        for item in batch.items:
            self._decode(item)
        return batch.items

    def one(self, item: bytes) -> bytes | None:
        return self._one(item)


def check_files(settings: Settings) -> Counts:
    """Name bad records on stderr, and count. Any JSON value is a record."""
    counts = Counts()
    with quarantine(settings.on_error, settings.files) as trouble:
        for name in settings.files or ("-",):
            with source(name) as src:
                batches, decode, rows = open_records(src, settings.form_of(name), codec.decode_any, name)
                if rows is not None and rows.header is not None:
                    trouble.header = rows.row(rows.header) + b"\n"
                convert(batches, _Read(decode), lambda _: None, counts, trouble, name)
        trouble.settle()
    return counts
