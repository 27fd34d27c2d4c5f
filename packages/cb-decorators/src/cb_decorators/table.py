"""The table behind a memory cache: entries, the order in which they leave, and the hits.

A hit reads the dict and writes one attribute, nothing else: no lock, no reordering. The number it writes comes from one
counter for the whole table, so it says how lately the entry was used, and how many numbers were drawn is the number of
hits, exactly, whatever the threads do.

Least recently used first, without reordering at a hit: a heap holds what each entry's number was when it was last
looked at. What comes out of the heap and was used since goes back in with its new number; that is paid for by the hits
that moved it. A second heap orders by expiry, so that what has expired leaves before anything that has not. Both may
hold what has left the table; they are built anew when they are more than twice as long as it. Every operation is
O(log n) amortised, and the caller holds the cache's lock around all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from heapq import heapify, heappop, heappush, heapreplace
from math import inf
from typing import Any

__all__ = ["Entry", "Table"]


class Entry:
    """A value, the clock's reading from which on it is no longer valid, and until when it may be served stale."""

    __slots__ = ("expires", "keep", "key", "used", "value")

    def __init__(self, key: Hashable, value: Any, expires: float, keep: float, used: int) -> None:
        self.key: Hashable = key
        self.value: Any = value
        self.expires: float = expires
        self.keep: float = keep
        self.used: int = used


class Table:
    """At most *maxsize* entries, or any number where it is None."""

    __slots__ = ("_by_expiry", "_by_use", "_drawn", "_serial", "data", "maxsize", "ticks")

    def __init__(self, maxsize: int | None) -> None:
        self.data: dict[Hashable, Entry] = {}
        """Looked up without the lock. Never replaced, only changed: the generated wrapper holds it."""
        self.ticks: itertools.count[int] = itertools.count()
        self.maxsize: int | None = maxsize
        self._drawn = 0  # numbers that were drawn, but not by a hit
        self._serial = itertools.count()  # tells entries apart in a heap, which must never compare values
        self._by_use: list[tuple[int, int, Entry]] = []
        self._by_expiry: list[tuple[float, int, Entry]] = []

    def hits(self) -> int:
        """How often a number was drawn by a hit."""
        hits = next(self.ticks) - self._drawn
        self._drawn += 1
        return hits

    def put(self, key: Hashable, value: Any, expires: float, keep: float, now: float) -> list[Entry]:
        """Add or replace; return what had to leave, for the caller to let go of when it holds no lock any more."""
        dropped = self._drop_expired(now)
        if self.maxsize == 0:
            return dropped
        if (old := self.data.pop(key, None)) is not None:
            dropped.append(old)
        if self.maxsize is not None:
            while len(self.data) >= self.maxsize:
                dropped.append(self._drop_least_used())
        self._drawn += 1
        entry = Entry(key, value, expires, keep, next(self.ticks))
        self.data[key] = entry
        if self.maxsize is not None:
            heappush(self._by_use, (entry.used, next(self._serial), entry))
        if keep != inf:
            heappush(self._by_expiry, (keep, next(self._serial), entry))
        if max(len(self._by_use), len(self._by_expiry)) > 2 * len(self.data) + 64:
            self.rebuild()
        return dropped

    def pop(self, key: Hashable) -> Entry | None:
        """Remove and return one entry."""
        return self.data.pop(key, None)

    def clear(self) -> list[Entry]:
        """Remove all, forget the hits, and return what was there."""
        dropped = list(self.data.values())
        self.data.clear()
        self._by_use.clear()
        self._by_expiry.clear()
        self._drawn = next(self.ticks) + 1
        return dropped

    def rebuild(self) -> None:
        """Order what is there anew. O(n)."""
        entries = list(self.data.values())
        if self.maxsize is not None:
            self._by_use = [(entry.used, next(self._serial), entry) for entry in entries]
            heapify(self._by_use)
        self._by_expiry = [(entry.keep, next(self._serial), entry) for entry in entries if entry.keep != inf]
        heapify(self._by_expiry)

    def _drop_expired(self, now: float) -> list[Entry]:
        dropped = []
        while self._by_expiry and self._by_expiry[0][0] <= now:
            entry = heappop(self._by_expiry)[2]
            if self.data.get(entry.key) is entry:
                dropped.append(self.data.pop(entry.key))
        return dropped

    def _drop_least_used(self) -> Entry:
        patience = len(self._by_use)  # others use entries all the while: look at each once
        while True:
            used, _, entry = self._by_use[0]
            if self.data.get(entry.key) is not entry:
                heappop(self._by_use)
            elif entry.used != used and patience > 0:
                patience -= 1
                heapreplace(self._by_use, (entry.used, next(self._serial), entry))
            else:
                heappop(self._by_use)
                return self.data.pop(entry.key)
