"""Read a log as records: whole, with their tracebacks; those of a level, a time, a logger.

Contract: a record begins at a line that the schema's head matches, and goes on to the next such line. A log is read in
blocks that end where a record ends, so memory does not depend on the log's size. Where levels are asked for, a block is
searched for the literals that such a line must hold; only lines with a hit are looked at. Where a time is asked for,
a plain file is bisected. Bytes that are no record are never an error: lines before the first record are counted.
"""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO

from cb_logging.compressed import SUFFIXES, open_packed
from cb_logging.errors import ReadError
from cb_logging.levels import level as level_of
from cb_logging.rotation import rotated as rotated_files
from cb_logging.schema import Fields, Schema, detect, schema_of
from cb_logging.template import Template

__all__ = ["BLOCK", "Query", "Record", "Source", "blocks", "moment", "open_sources", "read", "spans"]

BLOCK = 1 << 20
_GIANT = 64 << 20  # a record beyond this is given out in parts


@dataclass(frozen=True)
class Record:
    """A record as it was read. Its fields are taken apart when one is asked for.

    Attributes:
        raw: Its bytes, all lines of it.
        schema: How it is written.
    """

    raw: bytes
    schema: Schema = field(repr=False)

    @functools.cached_property
    def fields(self) -> Fields:
        """What its first line says, by the record attributes' names."""
        return self.schema.parse(self.raw.partition(b"\n")[0]) or {}

    @property
    def text(self) -> str:
        """All of it, without the last line end."""
        return self.raw.decode("utf-8", "backslashreplace").rstrip("\r\n")

    @property
    def level(self) -> int:
        """Its level's number, 0 if it has none."""
        return self.schema.level_of(self.fields)

    @property
    def levelname(self) -> str:
        """Its level's name."""
        return str(self.fields.get("levelname", ""))

    @property
    def time(self) -> float | None:
        """Seconds since 1970."""
        return self.schema.time_of(self.fields)

    @property
    def message(self) -> str:
        """Its message."""
        return str(self.fields.get("message", ""))

    @property
    def logger(self) -> str:
        """The logger's name, empty if the format does not have it."""
        return str(self.fields.get("name", ""))

    @property
    def traceback(self) -> str:
        """What stands below its first line."""
        return self.text.partition("\n")[2]


def moment(text: str | float) -> float:
    """Read a time: seconds since 1970, ISO 8601 (``2026-11-23 04:00``), ``04:00`` today, or ``15m`` ago.

    Raises:
        ReadError: It is none of these.
    """
    if isinstance(text, (int, float)):
        return float(text)
    import datetime as dt

    now = time.time()
    if ago := re.fullmatch(r"(\d+)\s*([smhdw])(?: ago)?", text.strip()):
        return now - int(ago[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[ago[2]]
    try:
        if re.fullmatch(r"\d\d?:\d\d(:\d\d)?", text):
            return dt.datetime.combine(dt.datetime.now().astimezone(), dt.time.fromisoformat(text.zfill(5))).timestamp()
        return dt.datetime.fromisoformat(text.replace(",", ".")).timestamp()
    except ValueError:
        raise ReadError(f"{text!r} is no time (write 2026-11-23 04:00, 04:00, or 15m for 15 minutes ago)") from None


@dataclass
class Query:
    """Which records: all that is said must hold.

    Attributes:
        least: Level.
        since, until: Seconds since 1970, the second not included.
        equal: Fields that must have one of these values.
        grep: Must be found in the record's text.
    """

    least: int = 0
    since: float | None = None
    until: float | None = None
    equal: dict[str, frozenset[str]] = field(default_factory=dict)
    grep: re.Pattern[bytes] | None = None

    def keeps(self, record: Record) -> bool:
        """Whether it is one of them."""
        if self.least and record.level < self.least:
            return False
        if self.since is not None or self.until is not None:
            when = record.time
            if when is None or (self.since is not None and when < self.since):
                return False
            if self.until is not None and when >= self.until:
                return False
        for name, wanted in self.equal.items():
            if str(record.fields.get(name, "")) not in wanted:
                return False
        return self.grep is None or self.grep.search(record.raw) is not None

    @property
    def only_level(self) -> bool:
        """Whether nothing but the level counts."""
        return not (self.equal or self.grep) and self.since is None and self.until is None


@dataclass
class Source:
    """One file to read.

    Attributes:
        path: Its name, ``-`` for standard input.
        file: Open, from its beginning.
        plain: Whether it can be bisected.
    """

    path: str
    file: BinaryIO | IO[bytes]
    plain: bool
    unparsed: int = 0


def open_sources(path: str | os.PathLike[str], *, rotated: bool = False) -> Iterator[Source]:
    """Open the files of a log in the order in which they were written; ``.gz`` and ``.zst`` are unpacked on the way.

    Args:
        path: A file, a pattern with ``*``, or ``-``.
        rotated: Read what the log was rotated to first.

    Raises:
        ReadError: There is no such file.
    """
    import sys

    text = os.fspath(path)
    if text == "-":
        yield Source("-", sys.stdin.buffer, plain=False)
        return
    files = [Path(text)]
    if any(one in text for one in "*?[") and not files[0].exists():
        import glob

        files = [Path(one) for one in sorted(glob.glob(text))]  # noqa: PTH207 - absolute patterns too
    elif rotated:
        files = [*rotated_files(text), *files]
    if not files:
        raise ReadError(f"{text}: there is no such file (quote the pattern?)")
    for one in files:
        kind = next((kind for kind, suffix in SUFFIXES.items() if one.name.endswith(suffix)), "")
        try:
            with open_packed(one, kind) if kind else one.open("rb", buffering=0) as file:
                yield Source(str(one), file, plain=not kind and one.is_file())
        except OSError as error:
            raise ReadError(f"{one}: {error.strerror or error} (look at the name and the rights)") from error


def blocks(file: Any, head: re.Pattern[bytes], carry: bytes = b"", size: int = BLOCK) -> Iterator[bytes]:
    """Give a file's bytes out in blocks that begin and end where records do."""
    while data := file.read(size):
        buffer = carry + data
        cut = _last_head(buffer, head)
        if cut <= 0 and len(buffer) < _GIANT:
            carry = buffer
            continue
        cut = cut or len(buffer)
        yield buffer[:cut]
        carry = buffer[cut:]
    if carry:
        yield carry


def _last_head(buffer: bytes, head: re.Pattern[bytes]) -> int:
    """Where the last record begins that the buffer has the beginning of, 0 if there is only one."""
    end = len(buffer)
    while (line := buffer.rfind(b"\n", 0, end) + 1) > 0:
        if head.match(buffer, line) and line < len(buffer):
            return line
        end = line - 1
    return 0


def spans(block: bytes, schema: Schema, query: Query) -> Iterator[tuple[int, int]]:
    """Where in a block the records are that the query wants."""
    match, find = schema.head.match, block.find
    size = len(block)

    def end_of(at: int) -> int:
        """Where the record that is at *at* ends."""
        while (at := find(b"\n", at) + 1) > 0:
            if at == size or match(block, at):
                return at
        return size

    needles = schema.needles(query.least) if query.least else None
    if needles is None:
        start = 0
        while start < size:
            end = end_of(start)
            if match(block, start) and query.keeps(Record(block[start:end], schema)):
                yield start, end
            start = end
        return
    done = 0
    plain = query.only_level and isinstance(getattr(schema, "template", None), Template)
    for hit in _hits(block, needles):
        if hit < done:
            continue
        start = block.rfind(b"\n", 0, hit + 1) + 1
        found = match(block, start)
        if found is None:
            continue
        end = end_of(hit)
        if plain:
            named = found.start("levelname")
            keep = (start <= named) and schema.level_of(
                {"levelname": found["levelname"].decode().strip()}
            ) >= query.least
        else:
            keep = query.keeps(Record(block[start:end], schema))
        if keep:
            done = end
            yield start, end
        else:
            done = (find(b"\n", hit) + 1) or size


def _hits(block: bytes, needles: Sequence[bytes]) -> list[int]:
    """Where any of the needles is, in order."""
    found: list[int] = []
    for needle in needles:
        at, find, step = -1, block.find, len(needle)
        while (at := find(needle, at + 1 if at < 0 else at + step)) >= 0:
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


def make_query(
    level: str | int = 0,
    since: str | float | None = None,
    until: str | float | None = None,
    logger: str | Sequence[str] = (),
    module: str | Sequence[str] = (),
    thread: str | Sequence[str] = (),
    grep: str | None = None,
) -> Query:
    """The `Query` that `read`'s arguments say."""
    fields = {"name": logger, "module": module, "threadName": thread}
    equal = {name: frozenset([some] if isinstance(some, str) else some) for name, some in fields.items() if some}
    try:
        pattern = re.compile(grep.encode()) if grep else None
    except re.error as error:
        raise ReadError(f"{grep!r} is no expression: {error}") from error
    return Query(
        level_of(level),
        None if since is None else moment(since),
        None if until is None else moment(until),
        equal,
        pattern,
    )


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
    """Give out the blocks in which the records that a query wants may be, and how they are written."""
    for source in open_sources(path, rotated=rotated):
        carry = b""
        known = schema
        if known is None:
            carry = source.file.read(1 << 16)
            known = detect(carry)
        if source.plain and (query.since is not None or query.until is not None):
            yield from ((block, known) for block in _between(source, known, query))
            continue
        first = True
        for block in blocks(source.file, known.head, carry):
            if first and not known.head.match(block):
                unparsed(min(len(block), _first_head(block, known.head)))
            first = False
            yield block, known


def _first_head(block: bytes, head: re.Pattern[bytes]) -> int:
    at = 0
    while not head.match(block, at):
        at = block.find(b"\n", at) + 1
        if at in {0, len(block)}:
            return len(block)
    return at


# Times are nearly in order: threads and processes overtake each other, clocks are set back a little.
_SLACK = 2.0


def _slack(query: Query) -> float:
    """How far out of order times may be: an hour more where local time is set back about then."""
    edges = [one for one in (query.since, query.until) if one is not None]
    offsets = {time.localtime(edge + hours * 3600).tm_gmtoff for edge in edges for hours in (-2, 0, 2)}
    return _SLACK + (max(offsets) - min(offsets) if offsets else 0)


def _between(source: Source, schema: Schema, query: Query) -> Iterator[bytes]:
    """The blocks from the first record that is not too early to the first that is too late."""
    fd = source.file.fileno()
    size = os.fstat(fd).st_size
    slack = _slack(query)
    low, late = 0, None if query.until is None else query.until + slack
    if query.since is not None:
        found = _bisect(fd, size, schema, query.since - slack)
        low, late = (0, None) if found is None else (found, late)
    source.file.seek(low)
    for block in blocks(source.file, schema.head, size=1 << 18):
        yield block
        start = block.rfind(b"\n", 0, len(block) - 1) + 1
        while start > 0 and not schema.head.match(block, start):
            start = block.rfind(b"\n", 0, start - 1) + 1
        when = schema.time_of(schema.parse(block[start:].partition(b"\n")[0]) or {})
        if late is not None and when is not None and when >= late:
            return


def _bisect(fd: int, size: int, schema: Schema, wanted: float) -> int | None:
    """The place of a record before which all are earlier than *wanted*; None if the times are not in order."""
    low, high = 0, size
    earliest = _record_after(fd, 0, size, schema)[1] or float("-inf")
    latest = _record_after(fd, max(0, size - (1 << 16)), size, schema)[1] or float("inf")
    while high - low > 1 << 16:
        middle = (low + high) // 2
        place, when = _record_after(fd, middle, high, schema)
        if when is None:
            high = middle
            continue
        if not earliest - _SLACK <= when <= latest + _SLACK:
            return None
        if when < wanted:
            low, earliest = place, when
        else:
            high, latest = middle, when
    return low


def _record_after(fd: int, place: int, limit: int, schema: Schema) -> tuple[int, float | None]:
    """Where the first record behind a place begins, and its time; None if there is none before *limit*."""
    carry = b""
    at = place
    while at < limit:
        data = os.pread(fd, 1 << 14, at)
        if not data:
            break
        buffer, base = carry + data, at - len(carry)
        start = 0
        while (start := buffer.find(b"\n", start) + 1) > 0:
            stop = buffer.find(b"\n", start)
            if stop < 0:
                break
            if schema.head.match(buffer, start):
                when = schema.time_of(schema.parse(buffer[start:stop]) or {})
                if when is not None:
                    return base + start, when
        carry = buffer[max(0, buffer.rfind(b"\n")) :][-_GIANT:]
        at += len(data)
    return limit, None
