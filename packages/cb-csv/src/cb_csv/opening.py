"""Opening what is to be read: what the caller did not say is detected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cb_csv.dialect import Dialect
from cb_csv.encoding import guess_encoding, without_bom
from cb_csv.source import Readable, Source
from cb_csv.walk import Walker

__all__ = ["opened"]


@contextmanager
def opened(
    src: Readable,
    dialect: Dialect | None,
    encoding: str | None,
    *,
    columns: int | None = None,
    skip: int | None = None,
) -> Iterator[Walker]:
    """A walker over *src*, which is closed at the end. What is None is detected.

    With a dialect given, bytes that are no UTF are faults of the file, as RFC 7111 has it; with none, a code page may
    fit.
    """
    with Source(src) as source:
        sample = source.peek()
        has_header = True
        if dialect is None:
            from cb_csv.detecting import detect_bytes

            found = detect_bytes(sample, complete=source.all_peeked)
            dialect, skip = found.dialect, found.preamble if skip is None else skip
            encoding = encoding or found.encoding
            has_header = found.has_header
        if encoding is None:
            named, length = without_bom(sample)
            encoding = named or guess_encoding(sample[length:], complete=source.all_peeked, code_pages=False)[0]
        source.decode_as(encoding)
        yield Walker(source, dialect, columns=columns, skip=skip or 0, has_header=has_header)
