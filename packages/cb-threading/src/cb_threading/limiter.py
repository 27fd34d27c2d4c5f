"""A limit on how many threads do something at once, in the order in which they asked."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

__all__ = ["Limiter", "LimiterStatistics"]


@dataclass(frozen=True, slots=True)
class LimiterStatistics:
    """The limit, who is in and who waits; how often somebody got in, and how many were in at most."""

    limit: int
    inside: int
    waiting: int
    entered: int
    peak: int


class Limiter:
    """At most *limit* threads at a time, first come, first served.

    `threading.Semaphore` lets whoever comes along take what was just given back, so that of equal threads one can get
    in several times as often as another. Here a place is handed to the thread that has waited longest. The trade: each
    hand-over is a switch of threads, which costs throughput where places are held for microseconds only, above all on
    a free-threaded Python. ``fair=False`` is for those. More releases than acquires are a ValueError in both.

    One limiter must be shared by all whom it limits; one for each thread limits nothing.

    >>> limiter = Limiter(2)
    >>> with limiter:
    ...     limiter.statistics().inside
    1
    """

    def __init__(self, limit: int, *, fair: bool = True) -> None:
        if limit < 1:
            raise ValueError(f"a limit of {limit} lets nobody in (1 or more)")
        self.limit: int = limit
        self.fair: bool = fair
        self._lock = threading.Lock()
        self._given_back = threading.Condition(self._lock)  # fair=False: whoever is quickest
        self._queue: deque[threading.Lock] = deque()  # fair=True: a locked lock for each who waits
        self._free = limit
        self._waiting = self._entered = self._peak = 0

    def acquire(self, timeout: float | None = None) -> bool:
        """Get in, waiting for at most *timeout* seconds (0: not at all); False if that was not possible."""
        with self._lock:
            if self._free:
                self._enter()
                return True
            if timeout is not None and timeout <= 0:
                return False
            if not self.fair:
                return self._compete(timeout)
            mine = threading.Lock()
            mine.acquire()
            self._queue.append(mine)
        try:
            return mine.acquire(timeout=-1 if timeout is None else timeout) or not self._withdraw(mine)
        except BaseException:  # Ctrl-C while we waited
            if not self._withdraw(mine):
                self.release()
            raise

    def _compete(self, timeout: float | None) -> bool:
        self._waiting += 1
        try:
            got = self._given_back.wait_for(lambda: self._free > 0, timeout)
        finally:
            self._waiting -= 1
        if got:
            self._enter()
        return got

    def _withdraw(self, mine: threading.Lock) -> bool:
        """Leave the queue; False: too late, a place was handed to us."""
        with self._lock:
            if mine not in self._queue:
                return False
            self._queue.remove(mine)
            return True

    def _enter(self) -> None:
        self._free -= 1
        self._entered += 1
        self._peak = max(self._peak, self.limit - self._free)

    def release(self) -> None:
        """Give a place back; where threads wait, it goes to the one that has waited longest."""
        with self._lock:
            if self._free == self.limit:
                raise ValueError("released more often than acquired")
            self._free += 1
            if self._queue:
                self._enter()
                self._queue.popleft().release()
            elif self._waiting:
                self._given_back.notify()

    def statistics(self) -> LimiterStatistics:
        """Counts at this moment."""
        with self._lock:
            return LimiterStatistics(
                self.limit, self.limit - self._free, len(self._queue) + self._waiting, self._entered, self._peak
            )

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
