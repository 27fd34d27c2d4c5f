"""Threads that keep what their function returned or raised, and groups of them that are joined.

What `threading.Thread` does with an exception is to print it and forget it: the program goes on, and ends with 0. Here
it is kept, and raised where the result is asked for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Literal, ParamSpec, Self, TypeVar, cast

__all__ = ["GroupStatistics", "Worker", "WorkerGroup", "spawn"]

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

_NOTHING: Any = object()


class Worker(threading.Thread, Generic[T]):
    """A thread that runs one function and keeps its result or its exception.

    Args:
        function: What to run.
        args: Its arguments.
        name: The thread's name; Thread-1, Thread-2, ... as for every thread.
        daemon: A daemon thread is ended with the program, wherever it is. Never let one write a file.

    >>> worker = Worker(pow, 2, 10)
    >>> worker.start()
    >>> worker.result()
    1024
    """

    def __init__(self, function: Callable[..., T], *args: Any, name: str | None = None, daemon: bool = False) -> None:
        super().__init__(name=name, daemon=daemon)
        self._function = function
        self._arguments = args
        self._result: T = _NOTHING
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._function(*self._arguments)
        except BaseException as error:  # noqa: BLE001 - kept, and raised by result()
            self._error = error
        finally:
            del self._function, self._arguments  # what they hold is not needed any longer

    def result(self, timeout: float | None = None) -> T:
        """Wait for the end and return what the function returned, or raise what it raised.

        Raises:
            TimeoutError: It is still at work after *timeout* seconds.
        """
        self.join(timeout)
        if self.is_alive():
            raise TimeoutError(f"{self.name} is still at work after {timeout:g} s")
        if self._error is not None:
            raise self._error
        return self._result

    @property
    def exception(self) -> BaseException | None:
        """What the function raised, None if nothing or not yet."""
        return self._error


def spawn(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Worker[T]:
    """Start a thread and return at once, as ``_thread.start_new_thread`` does; result and exception are kept.

    >>> spawn(sorted, "cab").result()
    ['a', 'b', 'c']
    """
    worker = Worker(lambda: function(*args, **kwargs))
    worker.start()
    return worker


@dataclass(frozen=True, slots=True)
class GroupStatistics:
    """How many workers a group has started, and what became of them."""

    started: int
    running: int
    done: int
    failed: int


class WorkerGroup:
    """Workers that are joined at the end of a ``with`` block: these, and no foreign thread.

    Leaving the block waits for all. Where an exception leaves it, Ctrl-C too, `stop` is set, which the workers should
    look at or wait on; those that have not ended *grace* seconds later are left behind (they are daemon threads, so the
    program can end). With ``errors="raise"`` the exceptions of the workers are raised as an `ExceptionGroup`.

    >>> with WorkerGroup() as group:
    ...     workers = [group.start(pow, 2, n) for n in range(4)]
    >>> [worker.result() for worker in workers]
    [1, 2, 4, 8]
    """

    def __init__(self, *, errors: Literal["raise", "keep"] = "raise", grace: float = 5.0, name: str = "") -> None:
        self.stop: threading.Event = threading.Event()
        self.workers: list[Worker[Any]] = []
        self._errors = errors
        self._grace = grace
        self._name = name

    def start(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Worker[T]:
        """Start a worker of this group."""
        name = f"{self._name}-{len(self.workers) + 1}" if self._name else None
        worker: Worker[T] = Worker(lambda: function(*args, **kwargs), name=name, daemon=True)
        self.workers.append(worker)
        worker.start()
        return worker

    def map(self, function: Callable[[T], R], items: Iterable[T], *, jobs: int) -> list[R]:
        """Apply *function* to all items in at most *jobs* threads; the results are in the order of the items.

        The first exception stops the group: items that were not begun are left, and it is raised.
        """
        lock = threading.Lock()
        source: Iterator[tuple[int, T]] = enumerate(items)
        results: dict[int, R] = {}

        def work() -> None:
            while not self.stop.is_set():
                with lock:  # a generator cannot be asked by two threads at once
                    index, item = next(source, (-1, _NOTHING))
                if index < 0:
                    return
                try:
                    results[index] = function(item)
                except BaseException:
                    self.stop.set()
                    raise

        for worker in [self.start(work) for _ in range(jobs)]:
            worker.result()
        return [results[index] for index in sorted(results)]

    def join(self, timeout: float | None = None) -> bool:
        """Wait for this group's workers, *timeout* seconds for all of them together; False if one is still at work."""
        end = None if timeout is None else time.monotonic() + timeout
        for worker in self.workers:
            worker.join(None if end is None else max(0.0, end - time.monotonic()))
        return not any(worker.is_alive() for worker in self.workers)

    def statistics(self) -> GroupStatistics:
        """Count the workers."""
        running = sum(worker.is_alive() for worker in self.workers)
        failed = sum(worker.exception is not None for worker in self.workers)
        return GroupStatistics(len(self.workers), running, len(self.workers) - running - failed, failed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self.join()
            except BaseException:
                self._give_up()
                raise
            self._raise_errors()
        else:
            self._give_up()

    def _give_up(self) -> None:
        self.stop.set()
        with suppress(KeyboardInterrupt):  # impatience: whoever presses it twice does not want to wait
            self.join(self._grace)

    def _raise_errors(self) -> None:
        found = [worker.exception for worker in self.workers if worker.exception is not None]
        if found and self._errors == "raise":
            raise BaseExceptionGroup(f"{len(found)} of {len(self.workers)} workers failed", cast("list[Any]", found))
