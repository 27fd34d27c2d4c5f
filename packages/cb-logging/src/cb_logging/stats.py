"""Count the records of a log: by level, module, logger, thread, and time.

Where a template puts the level at a fixed column behind the time, no line is taken apart: a line's key is cut out of it
(its minute, and what stands from there to the last field that is asked for), equal keys are counted, and only each
different key is looked at. Other formats are matched line by line.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cb_logging.errors import ConfigError
from cb_logging.reading import Query, Record, make_query, read_blocks, spans
from cb_logging.schema import Schema, schema_of
from cb_logging.template import Template

__all__ = ["GROUPS", "Summary", "summarise"]

GROUPS = {"level": "levelname", "module": "module", "logger": "name", "thread": "threadName", "function": "funcName"}
_BUCKETS = {"second": 19, "minute": 16, "hour": 13, "day": 10}


@dataclass
class Summary:
    """What is in a log.

    Attributes:
        by: What was counted by, and ``time`` last if there is a bucket.
        counts: How many records for each combination.
        records: All of them.
        unparsed: Bytes before the first record, of nobody's.
    """

    by: tuple[str, ...]
    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    unparsed: int = 0

    @property
    def records(self) -> int:
        """How many there are."""
        return self.counts.total()

    def along(self, name: str) -> Counter[str]:
        """The counts by one of the groups alone."""
        at = self.by.index(name)
        found: Counter[str] = Counter()
        for key, number in self.counts.items():
            found[key[at]] += number
        return found


def summarise(
    path: str | os.PathLike[str],
    *,
    by: Sequence[str] = ("level",),
    bucket: str | None = None,
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
) -> Summary:
    """Count the records of a log: *by* names of `GROUPS`, and by time in a *bucket* of a second, minute, hour or day.

    What else it takes is what `read` takes.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"INFO:shop:open\\nERROR:till:empty\\nINFO:shop:shut\\n")
    ...     file.flush()
    ...     dict(summarise(file.name, by=["level", "logger"]).counts)
    {('INFO', 'shop'): 2, ('ERROR', 'till'): 1}
    """
    for one in by:
        if one not in GROUPS:
            raise ConfigError("by", one, "is nothing to count by", GROUPS)
    if bucket is not None and bucket not in _BUCKETS:
        raise ConfigError("bucket", bucket, "is no time to count by", _BUCKETS)
    query = make_query(level, since, until, logger, module, thread, grep)
    found = Summary((*by, "time") if bucket else tuple(by))
    names = [GROUPS[one] for one in by]
    counters: dict[int, Callable[[bytes], None]] = {}

    def skipped(size: int) -> None:
        found.unparsed += size

    for block, schema in read_blocks(
        path, query, schema_of(format, datefmt=datefmt), rotated=rotated, unparsed=skipped
    ):
        count = counters.get(id(schema))
        if count is None:
            count = counters[id(schema)] = _counter(found.counts, schema, query, names, bucket)
        count(block)
    return found


def _counter(
    counts: Counter[tuple[str, ...]], schema: Schema, query: Query, names: list[str], bucket: str | None
) -> Callable[[bytes], None]:
    """The quickest way to count blocks that are written so."""
    template = getattr(schema, "template", None)
    if isinstance(template, Template) and query == Query():
        by_cut = _by_cut(counts, template, names, bucket)
        if by_cut is not None:
            return by_cut

    def one_by_one(block: bytes) -> None:
        for start, end in spans(block, schema, query):
            record = Record(block[start:end], schema)
            key = [str(record.fields.get(name, "")) for name in names]
            if bucket:
                when = record.time
                key.append("" if when is None else _shown(when)[: _BUCKETS[bucket]])
            counts[tuple(key)] += 1

    return one_by_one


def _shown(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def _by_cut(  # noqa: C901 - functions that share what they know
    counts: Counter[tuple[str, ...]], template: Template, names: list[str], bucket: str | None
) -> Callable[[bytes], None] | None:
    """Count by the keys that are cut out of lines; None if the template does not allow it.

    It must begin with the time as logging writes it. The key ends before the literal behind the last field wanted;
    where that literal came earlier by chance, the key is none, and the line is matched as a whole.
    """
    pieces = template.pieces
    if template.datefmt is not None or pieces[0].name != "asctime" or pieces[0].padded or template.level_column is None:
        return None
    wanted = {*names, "levelname"}
    places = [number for number, piece in enumerate(pieces) if piece.name in wanted]
    last = places[-1]
    if not wanted <= {piece.name for piece in pieces} or last + 1 >= len(pieces) or pieces[last + 1].name:
        return None
    if pieces[last].name != "levelname" and last + 3 < len(pieces) and pieces[last + 2].name == "lineno":
        last += 2  # a number behind it leaves no doubt where the field ends
    stop = pieces[last + 1].literal.encode()
    column = template.level_column
    minute = 20 if bucket == "second" else 17  # with the character behind it
    cut = template.cut(last)
    date = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:" + rb"\d\d," * (bucket == "second"))
    size = _BUCKETS[bucket] if bucket else 0
    known: dict[bytes, tuple[str, ...] | None] = {}  # what stands behind the time, taken apart
    times: dict[bytes, bool] = {}

    def key_of(fields: dict[str, bytes]) -> tuple[str, ...]:
        key = [fields[name].decode("utf-8", "backslashreplace") for name in names]
        return tuple(one.strip() if name == "levelname" else one for name, one in zip(names, key, strict=True))

    def decode(when: bytes, rest: bytes) -> tuple[str, ...] | None:
        if when not in times:
            times[when] = date.fullmatch(when) is not None
        if rest not in known:
            match = cut.fullmatch(rest)
            known[rest] = key_of(match.groupdict()) if match else None
        key = known[rest]
        if key is None or not times[when]:
            return None
        return (*key, when[:size].decode()) if bucket else key

    def count(block: bytes) -> None:
        lines = block.split(b"\n")
        found = Counter([(line[:minute], line[23 : line.find(stop, column)]) for line in lines])
        doubtful: set[tuple[bytes, bytes]] = set()
        if len(known) + len(times) > 200_000:
            known.clear()
            times.clear()
        for key, number in found.items():
            group = decode(*key)
            if group is None:
                doubtful.add(key)
            else:
                counts[group] += number
        if doubtful:
            for line in lines:
                if (line[:minute], line[23 : line.find(stop, column)]) in doubtful and (
                    match := template.head.match(line)
                ):
                    exact = key_of(match.groupdict())
                    counts[(*exact, line[:size].decode()) if bucket else exact] += 1

    return count
