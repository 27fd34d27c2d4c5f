"""What ``cat`` and ``stats`` print: selected records, and counts with bars."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence

from cb_logging.ending import say
from cb_logging.parallel import each_part, shared
from cb_logging.reading import read_blocks, spans, wanted
from cb_logging.records import Query, Record
from cb_logging.schema import Schema
from cb_logging.stats import Summary

__all__ = ["print_records", "print_summary", "shown"]


def shown(record: Record, form: str) -> bytes:
    """A record as it is printed, as it is or as a line of JSON."""
    if form == "text":
        return record.raw if record.raw.endswith(b"\n") else record.raw + b"\n"
    fields = dict(record.fields)
    if record.traceback:
        fields["traceback"] = record.traceback
    return json.dumps(fields, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace") + b"\n"


def print_records(
    files: Sequence[str], query: Query, schema: Schema | None, form: str = "text", *, rotated: bool = False,
    strict: bool = False,
) -> int:  # fmt: skip
    """Print the records of files that are wanted; return the status."""
    found, stray = False, 0

    def unparsed(size: int) -> None:
        nonlocal stray
        stray += size

    for file in files:
        for data in _selected(file, query, schema, form, rotated=rotated, unparsed=unparsed):
            if data:
                found = True
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
    if strict and stray:
        say(f"{stray} bytes before the first record are no record (say --template)")
        return 2
    return 0 if found else 1


def _selected(
    file: str, query: Query, schema: Schema | None, form: str, *, rotated: bool, unparsed: Callable[[int], None]
) -> Iterator[bytes]:
    """The records that are wanted, as they are to be printed, many at once."""

    def printed(block: bytes, known: Schema) -> bytes:
        if form == "text":
            return wanted(block, known, query)
        return b"".join(shown(Record(block[start:end], known), form) for start, end in spans(block, known, query))

    if not rotated and (plan := shared(file, query, schema)):
        known, workers = plan
        yield from each_part(file, known, lambda blocks: b"".join(printed(one, known) for one in blocks), workers)
    else:
        for block, known in read_blocks(file, query, schema, rotated=rotated, unparsed=unparsed):
            yield printed(block, known)


def print_summary(found: Summary, form: str = "text") -> int:
    """Print counts; return the status."""
    if form == "json":
        for key, number in found.counts.items():
            print(json.dumps({**dict(zip(found.by, key, strict=True)), "records": number}, ensure_ascii=False))  # noqa: T201
    else:
        _draw(found)
    if found.unparsed:
        say(f"{found.unparsed} bytes before the first record are no record")
    return 0 if found.records else 1


_BAR = 40
_SPARKS = "▁▂▃▄▅▆▇█"


def _draw(found: Summary) -> None:
    """A line for each combination, the times of it drawn small behind it; bars."""
    timed = found.by[-1] == "time"
    times = sorted(found.along("time")) if timed else []
    rows: dict[tuple[str, ...], dict[str, int]] = {}
    for key, number in found.counts.items():
        rows.setdefault(key[:-1] if timed else key, {})[key[-1] if timed else ""] = number
    totals = {key: sum(row.values()) for key, row in rows.items()}
    most = max(totals.values(), default=1)
    wide = [max(len(key[at]) for key in rows) for at in range(len(found.by) - timed)] if rows else []
    for key in sorted(rows, key=lambda one: (-totals[one], one)):
        names = "  ".join(f"{name or '-':<{width}}" for name, width in zip(key, wide, strict=True))
        bar = "█" * max(1, round(_BAR * totals[key] / most))
        print(f"{names}  {totals[key]:>12,}  {_spark(rows[key], times) if timed else bar}")  # noqa: T201
    if times:
        print(f"{'':<{sum(wide) + 2 * len(wide)}}{'':>14}{times[0]} … {times[-1]}")  # noqa: T201


def _spark(row: dict[str, int], times: list[str]) -> str:
    """The counts along the times, at most 60 of them, several put together where there are more."""
    step = -(-len(times) // 60)
    sums = [sum(row.get(one, 0) for one in times[at : at + step]) for at in range(0, len(times), step)]
    most = max(sums)
    return "".join(" " if number == 0 else _SPARKS[min(7, number * 8 // (most + 1))] for number in sums)
