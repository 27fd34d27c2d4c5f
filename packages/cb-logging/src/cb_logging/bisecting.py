"""The blocks of a plain file in which the records of a time are: found by bisection, without reading it all.

Times are nearly in order. What shows to be out of order by more is read as a whole.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from cb_logging.blocks import GIANT, blocks
from cb_logging.files import Source
from cb_logging.records import Query
from cb_logging.schema import Schema

__all__ = ["between"]

# Times are nearly in order: threads and processes overtake each other, clocks are set back a little.
_SLACK = 2.0


def _slack(query: Query) -> float:
    """How far out of order times may be: an hour more where local time is set back about then."""
    edges = [one for one in (query.since, query.until) if one is not None]
    offsets = {time.localtime(edge + hours * 3600).tm_gmtoff for edge in edges for hours in (-2, 0, 2)}
    return _SLACK + (max(offsets) - min(offsets) if offsets else 0)


def between(source: Source, schema: Schema, query: Query) -> Iterator[bytes]:
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
        carry = buffer[max(0, buffer.rfind(b"\n")) :][-GIANT:]
        at += len(data)
    return limit, None
