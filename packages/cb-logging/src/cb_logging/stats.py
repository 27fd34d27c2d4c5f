"""Count the records of a log: by level, module, logger, thread, and time.

Where a template puts the level at a fixed column behind the time, no line is taken apart: a line's key is cut out of it
(its minute, and what stands from there to the last field that is asked for), equal keys are counted, and only each
different key is looked at. Other formats are matched line by line.
"""

from __future__ import annotations

import functools
import itertools
import logging
import operator
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cb_logging.errors import ConfigError
from cb_logging.parallel import each_part, shared
from cb_logging.reading import read_blocks, spans
from cb_logging.records import Query, Record, make_query
from cb_logging.schema import Schema, TemplateSchema, schema_of
from cb_logging.template import Template

__all__ = ["GROUPS", "Summary", "summarise"]

GROUPS = {"level": "levelname", "module": "module", "logger": "name", "thread": "threadName", "function": "funcName"}
_KEYS = 100_000  # different keys to keep
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
    spread: bool = False,
) -> Summary:
    """Count the records of a log: *by* names of `GROUPS`, and by time in a *bucket* of a second, minute, hour or day.

    What else it takes is what `read` takes, and *spread*: read a large log with processes on all cores. They are
    forked: not for a program that has threads.

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
    schema = schema_of(format, datefmt=datefmt)
    if spread and not rotated and (plan := shared(path, query, schema)):
        known, workers = plan
        work = functools.partial(_count, schema=known, query=query, names=names, bucket=bucket)
        for some in each_part(path, known, work, workers):
            found.counts.update(some)
        return found

    def skipped(size: int) -> None:
        found.unparsed += size

    blocks = read_blocks(path, query, schema, rotated=rotated, unparsed=skipped)
    for known, group in itertools.groupby(blocks, key=operator.itemgetter(1)):
        found.counts.update(_count((block for block, _ in group), known, query, names, bucket))
    return found


def _count(
    blocks: Iterable[bytes], schema: Schema, query: Query, names: list[str], bucket: str | None
) -> dict[tuple[str, ...], int]:
    """The counts of some blocks that are written in one way, the quickest way that they allow."""
    template = schema.template if isinstance(schema, TemplateSchema) and query == Query() else None
    last = None if template is None else _last_piece(template, names)
    if template is not None and last is not None:
        cuts = _Cuts(template, last, names, bucket)
        for block in blocks:
            cuts.add(block)
        return cuts.counts()
    counts: Counter[tuple[str, ...]] = Counter()
    for block in blocks:
        for start, end in spans(block, schema, query):
            record = Record(block[start:end], schema)
            key = [str(record.fields.get(name, "")) for name in names]
            if bucket:
                when = record.time
                key.append("" if when is None else _shown(when)[: _BUCKETS[bucket]])
            counts[tuple(key)] += 1
    return dict(counts)


def _shown(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def _last_piece(template: Template, names: list[str]) -> int | None:
    """The piece of a template up to which a line's key goes; None if it does not allow keys.

    It must begin with the time as logging writes it, and what is wanted must end before some literal text.
    """
    pieces = template.pieces
    if template.datefmt is not None or pieces[0].name != "asctime" or pieces[0].padded or template.level_column is None:
        return None
    wanted = {*names, "levelname"}
    last = max(number for number, piece in enumerate(pieces) if piece.name in wanted)
    if not wanted <= {piece.name for piece in pieces} or last + 1 >= len(pieces) or pieces[last + 1].name:
        return None
    if pieces[last].name != "levelname" and last + 3 < len(pieces) and pieces[last + 2].name == "lineno":
        last += 2  # a number behind it leaves no doubt where the field ends
    return last


def _letters(template: Template) -> tuple[dict[bytes, tuple[str, ...]], Callable[[bytes], list[bytes]] | None]:
    """The first letters of the usual levels, where these tell them apart; and what finds them, one a line.

    It finds nothing in a line that has no level at its place, and an empty text where another stands there than these.
    """
    usual: dict[bytes, list[str]] = {}
    for number in sorted(set(template.levels.values())):
        name = logging.getLevelName(number)
        usual.setdefault(name[:1].encode(), []).append(name)
    clear = {letter: names[0] for letter, names in usual.items() if len(names) == 1 and len(letter) == 1}
    at = next(number for number, piece in enumerate(template.pieces) if piece.name == "levelname")
    level, before, after = template.pieces[at], template.pieces[at - 1], template.pieces[at + 1].literal.encode()
    names = b"|".join(re.escape(level.of(name).encode() + after) for name in clear.values())
    column = (template.level_column or 0) - len(before.literal.encode())
    lead = re.escape(before.literal.encode())
    find = re.compile(b"\n.{%d}%b(?:(?=%b)(.)|)" % (column, lead, names)).findall
    return {letter: (name,) for letter, name in clear.items()}, find


class _Cuts:
    """Counts lines by a key that is cut out of them; only each different key is looked at.

    The key ends before the literal behind the last field wanted. Where that literal came earlier by chance, the key
    cannot be taken apart, and the line is matched as a whole.
    """

    def __init__(self, template: Template, last: int, names: list[str], bucket: str | None) -> None:
        self._head, self._names, self._column = template.head, names, template.level_column or 0
        self._before, self._stop = template.pieces[1].literal.encode(), template.pieces[last + 1].literal.encode()
        self._cut = template.cut(last)
        self._size = _BUCKETS[bucket] if bucket else 0
        self._date = re.compile(rb"\d{4}-\d\d-\d\d (?:\d\d(?:[:,]|$)){0,3}")
        self._letters, self._found_letters = _letters(template) if names == ["levelname"] and not bucket else ({}, None)
        self._groups: dict[Any, tuple[str, ...] | None] = {}
        self._doubtful: set[Any] = set()
        self._found: Counter[Any] = Counter()
        self._counts: Counter[tuple[str, ...]] = Counter()

    def add(self, block: bytes) -> None:
        """Count the lines of a block."""
        if self._found_letters is not None:
            letters = self._found_letters(b"\n" + block)
            named = b"".join(letters)
            if len(named) == len(letters):
                for letter, level in self._letters.items():
                    self._counts[level] += named.count(letter)
                return
        lines, stop, column, width = block.split(b"\n"), self._stop, self._column, self._size + 1
        keys: list[Any]
        if width > 1:
            keys = [(line[:width], line[23 : line.find(stop, column)]) for line in lines]
        else:
            keys = [line[23 : line.find(stop, column)] for line in lines]
        different = set(keys)
        for key in different.difference(self._groups):
            self._groups[key] = group = self._group_of(*key) if width > 1 else self._group_of(b"", key)
            if group is None:
                self._doubtful.add(key)
        self._found.update(keys)
        if not self._doubtful.isdisjoint(different):
            for line, key in zip(lines, keys, strict=True):
                if key in self._doubtful and (match := self._head.match(line)):
                    self._counts[self._exact(match, line)] += 1
        if len(self._groups) > _KEYS:
            self._settle()

    def counts(self) -> dict[tuple[str, ...], int]:
        """How many for each group."""
        self._settle()
        return dict(+self._counts)  # those that are there

    def _settle(self) -> None:
        for key, number in self._found.items():
            if group := self._groups[key]:
                self._counts[group] += number
        for one in (self._found, self._groups, self._doubtful):
            one.clear()

    def _group_of(self, when: bytes, rest: bytes) -> tuple[str, ...] | None:
        """What is counted for a key: a group, () if it is no record's, None if the whole line must be asked."""
        if not rest.startswith(self._before) or (self._size and not self._date.fullmatch(when)):
            return ()
        match = self._cut.fullmatch(rest)
        return None if match is None else self._exact(match, when)

    def _exact(self, match: re.Match[bytes], when: bytes) -> tuple[str, ...]:
        key = [match[name].decode("utf-8", "backslashreplace") for name in self._names]
        found = [one.strip() if name == "levelname" else one for name, one in zip(self._names, key, strict=True)]
        return (*found, when[: self._size].decode()) if self._size else tuple(found)
