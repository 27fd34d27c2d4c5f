"""Times as a table for people, and as JSON and Prometheus text for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cb_decorators.stats import PERCENTILES, Summary

__all__ = ["as_json", "as_prometheus", "as_table"]


def as_table(summaries: Sequence[Summary]) -> str:
    """Return aligned columns, the name that took most first; one line without a call."""
    if not summaries:
        return "no calls timed yet"
    rows: list[tuple[str, ...]] = [("name", "calls", "failed", "total", "min", "mean", "p50", "p90", "p99", "max")]
    for one in sorted(summaries, key=lambda one: -one.total):
        times = map(_length, one[3:])
        rows += [(one.name, str(one.calls), str(one.failures), *times)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def _length(seconds: float) -> str:
    """Three digits and a unit.

    >>> _length(1.2), _length(0.00002), _length(0), _length(4321)
    ('1.2 s', '20 us', '0 ns', '4321 s')
    """
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds < 1000 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def as_json(summaries: Sequence[Summary]) -> str:
    """Return a JSON array with an object for each name; times in seconds."""
    return json.dumps([one._asdict() for one in summaries])


def as_prometheus(summaries: Sequence[Summary]) -> str:
    """Return a summary and a counter of failures in Prometheus' text format 0.0.4."""
    lines = [
        "# HELP cb_decorators_call_seconds Time that calls took.",
        "# TYPE cb_decorators_call_seconds summary",
    ]
    for one in summaries:
        name = _label(one.name)
        lines += [
            f'cb_decorators_call_seconds{{name="{name}",quantile="{percent / 100}"}} {getattr(one, f"p{percent}")}'
            for percent in PERCENTILES
        ]
        lines.append(f'cb_decorators_call_seconds_sum{{name="{name}"}} {one.total}')
        lines.append(f'cb_decorators_call_seconds_count{{name="{name}"}} {one.calls}')
    lines += [
        "# HELP cb_decorators_call_failures_total Calls that raised.",
        "# TYPE cb_decorators_call_failures_total counter",
    ]
    lines += [f'cb_decorators_call_failures_total{{name="{_label(one.name)}"}} {one.failures}' for one in summaries]
    return "\n".join(lines) + "\n"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
