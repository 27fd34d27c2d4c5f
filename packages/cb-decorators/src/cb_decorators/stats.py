"""Times added up: exact count, total, least and most; percentiles from a histogram.

Adding a time is one ``list.append``, which no thread can get between. Every few hundred times the list is folded into
the histogram: sorted, then cut where its buckets end. A bucket is a 32nd to a 16th of its own height wide, so a
percentile is within 4 % of the exact one (and never outside of least and most); the memory is a few hundred integers a
function, however many the calls.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import NamedTuple

__all__ = ["FOLD_AT", "PERCENTILES", "Stats", "Summary"]

FOLD_AT = 512
"""How many times wait in the list before they are folded in."""
PERCENTILES = (50, 90, 99)
_BITS = 5


class Summary(NamedTuple):
    """What one name took. All times in seconds; zero where there was no call yet."""

    name: str
    calls: int
    failures: int
    """How many of them raised."""
    total: float
    min: float
    mean: float
    p50: float
    p90: float
    p99: float
    max: float


class Stats:
    """The times of one name, in seconds. Safe to add to from all threads."""

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.samples: list[float] = []
        self._mutex = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        with self._mutex:
            self.samples.clear()
            self._failures = self._count = 0
            self._total = self._min = self._max = 0.0
            self._histogram: dict[int, int] = {}

    def add(self, spent: float) -> None:
        """Add the time of a call."""
        self.samples.append(spent)
        if len(self.samples) >= FOLD_AT:
            self.fold()

    def fail(self, spent: float) -> None:
        """Add the time of a call that raised."""
        with self._mutex:
            self._failures += 1
        self.add(spent)

    def fold(self) -> None:
        """Take in what waits in the list. O(n log n) for n times."""
        with self._mutex:
            batch = self.samples[:]
            del self.samples[: len(batch)]
            if not batch:
                return
            batch.sort()
            self._min = min(self._min, batch[0]) if self._count else batch[0]
            self._max = max(self._max, batch[-1])
            self._count += len(batch)
            self._total += sum(batch)
            at = 0
            while at < len(batch):
                end = _bucket_end(int(batch[at] * 1e9))
                then = max(bisect_left(batch, end / 1e9, at), at + 1)  # a rounding must not stop us
                self._histogram[end] = self._histogram.get(end, 0) + then - at
                at = then

    def summary(self) -> Summary:
        """Return the figures, in seconds."""
        self.fold()
        with self._mutex:
            count, total = self._count, self._total
            middle, high, highest = (self._percentile(percent) for percent in PERCENTILES)
            return Summary(
                self.name,
                count,
                self._failures,
                total,
                self._min,
                total / count if count else 0.0,
                middle,
                high,
                highest,
                self._max,
            )

    def _percentile(self, percent: int) -> float:
        rank, seen = self._count * percent / 100, 0
        for end in sorted(self._histogram):
            seen += self._histogram[end]
            if seen >= rank:
                width = 1 << max((end - 1).bit_length() - _BITS, 0)
                return min(max((end - width / 2) / 1e9, self._min), self._max)
        return 0.0


def _bucket_end(nanoseconds: int) -> int:
    """Return the first time that is in a higher bucket."""
    shift = max(nanoseconds.bit_length() - _BITS, 0)
    return ((nanoseconds >> shift) + 1) << shift
