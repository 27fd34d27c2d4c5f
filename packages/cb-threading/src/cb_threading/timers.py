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

_WAITS, _RAN, _CANCELLED = range(3)


@dataclass(frozen=True, slots=True)
class TimerStatistics:
    """Timers that wait, that ran, that were cancelled, and how late the latest one was, in seconds."""

    pending: int
    fired: int
    cancelled: int
    latest: float


class Handle:
    """A timer that was set."""

    __slots__ = ("_call", "_service", "_state", "every")

    def __init__(self, service: TimerService, call: Callable[[], object], every: float | None) -> None:
        self._service = service
        self._call: Callable[[], object] | None = call
        self._state = _WAITS
        self.every: float | None = every

    def cancel(self) -> bool:
        """Take the timer back. True: it will not run (again); False: too late, it ran or is running, or was taken."""
        return self._service._cancel(self)  # noqa: SLF001 - one class in two parts

    @property
    def pending(self) -> bool:
        """It will still run."""
        return self._state == _WAITS


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
        self._changed = threading.Condition(threading.Lock())
        self._heap: list[tuple[float, int, Handle]] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        self._name = name
        self._set = self._fired = self._cancelled = self._dead = 0
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
        handle = Handle(self, call, every)
        due = time.monotonic() + delay
        with self._changed:
            if self._closed:
                raise RuntimeError("these timers were closed (make another TimerService)")
            self._set += 1
            heapq.heappush(self._heap, (due, self._set, handle))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            elif self._heap[0][2] is handle:
                self._changed.notify()
        return handle

    def _cancel(self, handle: Handle) -> bool:
        with self._changed:
            if handle._state != _WAITS:  # noqa: SLF001 - one class in two parts
                return False
            handle._state = _CANCELLED  # noqa: SLF001
            handle._call = None  # noqa: SLF001
            self._cancelled += 1
            self._dead += 1
            if self._dead > 64 and self._dead * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[2].pending]
                heapq.heapify(self._heap)
                self._dead = 0
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
        with self._changed:
            while not self._closed:
                if not self._heap:
                    self._changed.wait()
                    continue
                due, number, handle = self._heap[0]
                late = time.monotonic() - due
                if not handle.pending:
                    heapq.heappop(self._heap)
                    self._dead -= 1
                elif late < 0:
                    self._changed.wait(-late)
                else:
                    return self._due(due, number, handle, late)
        return None

    def _due(self, due: float, number: int, handle: Handle, late: float) -> Callable[[], object] | None:
        call = handle._call  # noqa: SLF001 - one class in two parts
        self._fired += 1
        self._latest = max(self._latest, late)
        if handle.every is None:
            heapq.heappop(self._heap)
            handle._state, handle._call = _RAN, None  # noqa: SLF001
        else:
            beats = late // handle.every + 1
            heapq.heapreplace(self._heap, (due + beats * handle.every, number, handle))
        return call

    def statistics(self) -> TimerStatistics:
        """Counts since the start."""
        with self._changed:
            return TimerStatistics(len(self._heap) - self._dead, self._fired, self._cancelled, self._latest)

    def close(self) -> None:
        """Drop what still waits, and wait for a function that is running (not if it is the caller)."""
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._dead = 0
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
