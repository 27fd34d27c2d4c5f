"""A lock that many may hold to read and one to write.

It pays where a read takes long: holding it costs about ten times a plain lock. For short reads of small records
`Repository` is quicker, whose reads take no lock at all.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident
from typing import Literal

from cb_threading.errors import WouldDeadlock

__all__ = ["RWLock", "RWLockStatistics"]


@dataclass(frozen=True, slots=True)
class RWLockStatistics:
    """Who is in, who waits, and how often the lock was taken."""

    readers: int
    writer: bool
    waiting_readers: int
    waiting_writers: int
    reads: int
    writes: int


class RWLock:
    """Any number of readers or one writer.

    With ``prefer="writer"`` readers that come later wait behind a writer that waits, so that no stream of readers
    starves it; with ``prefer="reader"`` readers go in whenever no writer is in. Both sides are re-entrant, and who
    writes may read. Who reads cannot go on to write: two that tried would wait for each other, so it is `WouldDeadlock`
    at once.

    >>> lock = RWLock()
    >>> with lock.read(), lock.read():
    ...     lock.statistics().readers
    1
    """

    def __init__(self, *, prefer: Literal["writer", "reader"] = "writer") -> None:
        if prefer not in ("writer", "reader"):
            raise ValueError(f"prefer={prefer!r} is neither 'writer' nor 'reader'")
        self._prefer_writer = prefer == "writer"
        self._changed = threading.Condition(threading.Lock())
        self._readers: Counter[int] = Counter()  # thread -> how often it holds the lock
        self._writer: int | None = None
        self._depth = 0
        self._waiting_readers = self._waiting_writers = self._reads = self._writes = 0

    @contextmanager
    def read(self, *, timeout: float | None = None) -> Iterator[None]:
        """Hold the lock to read; TimeoutError if it cannot be had within *timeout* seconds."""
        me = get_ident()
        with self._changed:
            if me not in self._readers and self._writer != me:  # who is in may come in again
                self._waiting_readers += 1
                try:
                    free = self._changed.wait_for(self._may_read, timeout)
                finally:
                    self._waiting_readers -= 1
                if not free:
                    raise TimeoutError(f"a writer held the lock, or waited for it, for {timeout:g} s")
            self._readers[me] += 1
            self._reads += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers[me] -= 1
                if not self._readers[me]:
                    del self._readers[me]
                    if not self._readers:
                        self._changed.notify_all()

    @contextmanager
    def write(self, *, timeout: float | None = None) -> Iterator[None]:
        """Hold the lock to write, alone; TimeoutError if it cannot be had within *timeout* seconds.

        Raises:
            WouldDeadlock: This thread holds it to read.
        """
        me = get_ident()
        with self._changed:
            if self._writer != me:
                if me in self._readers:
                    raise WouldDeadlock("who holds the lock to read cannot go on to write (take write() first)")
                self._waiting_writers += 1
                try:
                    free = self._changed.wait_for(self._may_write, timeout)
                finally:
                    self._waiting_writers -= 1
                    self._changed.notify_all()  # readers may wait for us no longer
                if not free:
                    raise TimeoutError(f"others held the lock for {timeout:g} s")
                self._writer = me
            self._depth += 1
            self._writes += 1
        try:
            yield
        finally:
            with self._changed:
                self._depth -= 1
                if not self._depth:
                    self._writer = None
                    self._changed.notify_all()

    def _may_read(self) -> bool:
        return self._writer is None and not (self._prefer_writer and self._waiting_writers)

    def _may_write(self) -> bool:
        return self._writer is None and not self._readers

    def statistics(self) -> RWLockStatistics:
        """Counts at this moment."""
        with self._changed:
            return RWLockStatistics(
                len(self._readers),
                self._writer is not None,
                self._waiting_readers,
                self._waiting_writers,
                self._reads,
                self._writes,
            )
