"""Timers: one thread and a heap for any number of them, where `threading.Timer` takes a thread for each.

A call costs O(log n) of the timers that wait; a cancelled timer's place is taken back when more than half of the heap
is such places, so that memory follows the timers that are alive.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import ParamSpec, Self

__all__ = ["Handle", "TimerService", "TimerStatistics"]

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class TimerStatistics:
    """Timers that wait, that ran, that were cancelled, and how late the latest one was, in seconds."""

    pending: int
    fired: int
    cancelled: int
    latest: float


class Handle:
    """A timer that was set."""

    __slots__ = ("_number", "_service", "every")

    def __init__(self, service: TimerService, number: int, every: float | None) -> None:
        self._service = service
        self._number = number
        self.every: float | None = every

    def cancel(self) -> bool:
        """Take the timer back. True: it will not run (again); False: too late, it ran or is running, or was taken."""
        return self._service._cancel(self._number)  # noqa: SLF001 - one class in two parts

    @property
    def pending(self) -> bool:
        """It will still run."""
        return self._number in self._service._calls  # noqa: SLF001 - one class in two parts


class TimerService:
    """Runs functions later, in one thread of its own, each at its time.

    The functions run one after the other, so each should be short: a long one makes those behind it late, which
    `statistics` shows. An exception goes to `threading.excepthook` and costs no other timer. The thread is a daemon and
    is started by the first timer; leaving the ``with`` block drops what still waits.

    >>> with TimerService() as timers:
    ...     done = threading.Event()
    ...     handle = timers.call_later(0.01, done.set)
    ...     done.wait(10), handle.cancel()
    (True, False)
    """

    def __init__(self, *, name: str = "timers") -> None:
        self._lock = threading.Lock()  # taken as it is: a condition's own methods would be a third of setting a timer
        self._changed = threading.Condition(self._lock)
        self._heap: list[tuple[float, int]] = []  # nothing in it that the garbage collector would have to look into
        self._calls: dict[int, Callable[[], object]] = {}  # of those that wait, by number
        self._every: dict[int, float] = {}  # of those that run again
        self._thread: threading.Thread | None = None
        self._closed = False
        self._name = name
        self._set = self._fired = self._cancelled = 0
        self._latest = 0.0

    def call_later(self, delay: float, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Handle:
        """Run *function* once, *delay* seconds from now."""
        return self._add(delay, partial(function, *args, **kwargs) if args or kwargs else function, None)

    def call_every(self, seconds: float, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Handle:
        """Run *function* every so many seconds until it is cancelled, first after *seconds*.

        The beat is kept: a late run does not move the next ones. A beat that passes while the function runs is
        left out.
        """
        if seconds <= 0:
            raise ValueError(f"a timer cannot run every {seconds:g} s (more than 0)")
        return self._add(seconds, partial(function, *args, **kwargs), seconds)

    def _add(self, delay: float, call: Callable[[], object], every: float | None) -> Handle:
        due = time.monotonic() + delay
        with self._lock:
            if self._closed:
                raise RuntimeError("these timers were closed (make another TimerService)")
            self._set = number = self._set + 1
            self._calls[number] = call
            if every is not None:
                self._every[number] = every
            heapq.heappush(self._heap, (due, number))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            elif self._heap[0][1] == number:
                self._changed.notify()
        return Handle(self, number, every)

    def _cancel(self, number: int) -> bool:
        with self._lock:
            if self._calls.pop(number, None) is None:
                return False
            self._every.pop(number, None)
            self._cancelled += 1
            dead = len(self._heap) - len(self._calls)
            if dead > 64 and dead * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[1] in self._calls]
                heapq.heapify(self._heap)
        return True

    def _run(self) -> None:
        while call := self._next():
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - told, and no other timer pays for it
                told = threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
                threading.excepthook(told)

    def _next(self) -> Callable[[], object] | None:
        """Wait until a timer is due and return its function; None when the service is closed."""
        with self._lock:
            while not self._closed:
                if not self._heap:
                    self._changed.wait()
                    continue
                due, number = self._heap[0]
                late = time.monotonic() - due
                if number not in self._calls:
                    heapq.heappop(self._heap)
                elif late < 0:
                    self._changed.wait(-late)
                else:
                    return self._due(due, number, late)
        return None

    def _due(self, due: float, number: int, late: float) -> Callable[[], object]:
        every = self._every.get(number)
        self._fired += 1
        self._latest = max(self._latest, late)
        if every is None:
            heapq.heappop(self._heap)
            return self._calls.pop(number)
        heapq.heapreplace(self._heap, (due + (late // every + 1) * every, number))
        return self._calls[number]

    def statistics(self) -> TimerStatistics:
        """Counts since the start."""
        with self._lock:
            return TimerStatistics(len(self._calls), self._fired, self._cancelled, self._latest)

    def close(self) -> None:
        """Drop what still waits, and wait for a function that is running (not if it is the caller)."""
        with self._lock:
            self._closed = True
            self._heap.clear()
            self._calls.clear()
            self._every.clear()
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
