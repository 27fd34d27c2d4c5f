"""Read a log as records: whole, with their tracebacks; those of a level, a time, a logger.

Contract: a record begins at a line that the schema's head matches, and goes on to the next such line. A log is read in
blocks that end where a record ends, so memory does not depend on the log's size. Where levels are asked for and have
one column, one expression finds the records in a block; else it is searched for the literals that such a line must
hold, and only lines with a hit are looked at. Where a time is asked for, a plain file is bisected. Bytes that are no
record are never an error: lines before the first record are counted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

from cb_logging.bisecting import between
from cb_logging.blocks import blocks
from cb_logging.files import open_sources
from cb_logging.records import Query, Record, make_query
from cb_logging.schema import Schema, TemplateSchema, detect, schema_of
from cb_logging.template import Template

__all__ = ["first_head", "read", "read_blocks", "spans", "wanted"]


def spans(block: bytes, schema: Schema, query: Query) -> Iterator[tuple[int, int]]:
    """Where in a block the records are that the query wants."""
    pattern = _pattern(schema, query.least)
    found: Iterator[tuple[int, int]]
    if pattern is None:
        found = _by_needles(block, schema, query.least)
    else:
        found = ((one.start(), one.end()) for one in pattern.finditer(b"\n" + block))
        if query.only_level:
            return found
    return ((start, end) for start, end in found if query.keeps(Record(block[start:end], schema)))


def _pattern(schema: Schema, least: int) -> re.Pattern[bytes] | None:
    return schema.template.records(least) if least and isinstance(schema, TemplateSchema) else None


def wanted(block: bytes, schema: Schema, query: Query) -> bytes:
    """The records of a block that the query wants, as they are; each ends with a line end."""
    if query == Query():
        return block if block.endswith(b"\n") else block + b"\n"
    pattern = _pattern(schema, query.least)
    if pattern is not None and query.only_level:
        found = b"".join(pattern.findall(b"\n" + block))
        return found[1:] + b"\n" if found else b""
    found = b"".join(block[start:end] for start, end in spans(block, schema, query))
    return found + b"\n" if found and not found.endswith(b"\n") else found


def _by_needles(block: bytes, schema: Schema, least: int) -> Iterator[tuple[int, int]]:
    """The records that may be of a level; all for level 0, and where the level cannot be searched for."""
    match, find, size = schema.head.match, block.find, len(block)
    needles = schema.needles(least) if least else None
    hits = range(1) if needles is None else _hits(block, needles)
    end = 0
    for hit in hits:
        if hit < end:
            continue
        start = block.rfind(b"\n", 0, hit + 1) + 1
        while start < size:
            found = match(block, start)
            end = start
            while (end := find(b"\n", end) + 1) > 0:
                if end == size or match(block, end):
                    break
            end = end or size
            if found:
                yield start, end
            if needles is not None:
                break
            start = end


def _hits(block: bytes, needles: Sequence[bytes]) -> list[int]:
    """Where any of the needles is, in order."""
    found: list[int] = []
    for needle in needles:
        at, step = -len(needle), len(needle)
        while (at := block.find(needle, at + step)) >= 0:
            found.append(at)
    found.sort()
    return found


def read(
    path: str | os.PathLike[str],
    *,
    level: str | int = 0,
    since: str | float | None = None,
    until: str | float | None = None,
    logger: str | Sequence[str] = (),
    module: str | Sequence[str] = (),
    thread: str | Sequence[str] = (),
    grep: str | None = None,
    format: str | Template | Schema = "auto",  # noqa: A002 - as basicConfig calls it
    datefmt: str | None = None,
    rotated: bool = False,
    follow: bool = False,
) -> Iterator[Record]:
    r"""Read the records of a log, lazily. All conditions must hold.

    Args:
        path: A file (``.gz``, ``.zst`` too), a pattern, or ``-``.
        level: This one or above.
        since: From this time on; see `moment` for how it may be written.
        until: Before this time.
        logger: Of these loggers.
        module: Of these modules.
        thread: Of these threads; a record whose format does not have it is none of them.
        grep: An expression that must be found in the record, its traceback included.
        format: ``auto``, ``book``, ``basic``, ``json``, ``plain``, a ``%`` format, or a `Template`.
        datefmt: Of the format.
        rotated: Begin with what the log was rotated to.
        follow: Wait for more, also across rotation; see `cb_logging.following`.

    Raises:
        ReadError: There is no such file, or a condition is not one.
        ConfigError: The format or the level is none.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"INFO:shop:open\nERROR:shop:till\nTraceback: ...\nINFO:shop:shut\n")
    ...     file.flush()
    ...     [record.text for record in read(file.name, level="ERROR")]
    ['ERROR:shop:till\nTraceback: ...']
    """
    query = make_query(level, since, until, logger, module, thread, grep)
    schema = schema_of(format, datefmt=datefmt)
    if follow:
        from cb_logging.following import follow as follow_log

        return (one for one in follow_log(path, schema, rotated=rotated) if query.keeps(one))
    return _read(path, query, schema, rotated=rotated)


def _read(path: str | os.PathLike[str], query: Query, schema: Schema | None, *, rotated: bool) -> Iterator[Record]:
    for block, known in read_blocks(path, query, schema, rotated=rotated):
        for start, end in spans(block, known, query):
            yield Record(block[start:end], known)


def read_blocks(
    path: str | os.PathLike[str],
    query: Query,
    schema: Schema | None = None,
    *,
    rotated: bool = False,
    unparsed: Callable[[int], object] = int,
) -> Iterator[tuple[bytes, Schema]]:
    """Give out the blocks in which the records that a query wants may be, and how they are written.

    What stands before the first record is left out; *unparsed* is told how many bytes.
    """
    for source in open_sources(path, before=rotated):
        carry = b""
        known = schema
        if known is None:
            carry = source.file.read(1 << 16)
            known = detect(carry)
        if source.plain and (query.since is not None or query.until is not None):
            yield from ((block, known) for block in between(source, known, query))
            continue
        begun = False
        for block in blocks(source.file, known.head, carry):
            if begun:
                yield block, known
                continue
            stray = first_head(block, known.head)
            unparsed(stray)
            if stray < len(block):
                begun = True
                yield block[stray:], known


def first_head(block: bytes, head: re.Pattern[bytes]) -> int:
    """Where the first record of a block begins; its length if there is none."""
    at = 0
    while not head.match(block, at):
        at = block.find(b"\n", at) + 1
        if at in {0, len(block)}:
            return len(block)
    return at
