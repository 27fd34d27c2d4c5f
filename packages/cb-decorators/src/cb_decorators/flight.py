"""One run of a function that several callers may be waiting for, and who waits for whom.

A caller that finds a run for its key under way waits for it, unless that could never end: the run may itself be
waiting, through any number of others, for the very run that this caller is part of. So every run knows what is
waited for from inside it, and a caller looks along these lines before it waits. Where they lead back to itself it
computes the value instead. Which runs a caller is part of is a context variable: tasks and ``asyncio.to_thread``
inherit it.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import threading
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any

__all__ = ["Flight", "TaskWaiter", "ThreadWaiter", "forget_graph", "inside", "join", "leave"]

inside: ContextVar[tuple[Flight, ...]] = ContextVar("cb_decorators.inside", default=())
"""The runs that the code running now is part of, outermost first."""

_graph = threading.Lock()


def forget_graph() -> None:
    """In a forked child: the lock may have been held by a thread that is not there any more."""
    global _graph  # noqa: PLW0603
    _graph = threading.Lock()


class Flight:
    """A run under way. Its fields change under the lock of its cache, ``waits`` under the graph's."""

    __slots__ = (
        "__weakref__",
        "_error",
        "_traceback",
        "_value",
        "abandoned",
        "loop",
        "passengers",
        "task",
        "waits",
        "wakers",
    )

    def __init__(self) -> None:
        self.waits: list[Flight] = []
        """What is waited for from inside this run."""
        self.wakers: list[Callable[[], None]] = []
        """Called once when the run has ended."""
        self.passengers: int = 0
        """How many callers still want the outcome."""
        self.abandoned: bool = False
        """Ended without an outcome: whoever waits starts again."""
        self.task: asyncio.Task[None] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._value: Any = None
        self._error: Exception | None = None
        self._traceback: TracebackType | None = None

    def succeed(self, value: Any) -> None:
        """Keep the value for those who wait; for nobody else, so that a run does not keep it alive."""
        if self.passengers:
            self._value = value

    def fail(self, error: Exception) -> None:
        """Keep the exception for those who wait."""
        if self.passengers:
            self._error = error
            self._traceback = error.__traceback__

    def result(self, *, leader: bool = False) -> Any:
        """Return the value, or raise the exception: itself for the leader, a copy for everyone else."""
        if self._error is None:
            return self._value
        raise self._error if leader else again(self._error, self._traceback)

    def forget(self) -> None:
        """The last one who wanted the outcome has it: an exception's traceback refers to this run."""
        self._value = self._error = self._traceback = None


def again(error: Exception, traceback: TracebackType | None) -> Exception:
    """Return a copy of *error* to raise once more, with the traceback of the run that failed.

    One instance raised by many callers would grow a longer traceback with each. An exception that cannot be copied
    faithfully is raised itself, with its traceback as it was.
    """
    try:
        twin = copy.copy(error)
    except Exception:  # noqa: BLE001 - whatever a class's own copying raises
        twin = None
    if type(twin) is not type(error) or twin.args != error.args:
        return error.with_traceback(traceback)
    twin.__cause__, twin.__context__, twin.__suppress_context__ = (
        error.__cause__,
        error.__context__,
        error.__suppress_context__,
    )
    return twin.with_traceback(traceback)


class ThreadWaiter:
    """Blocks a thread until it is woken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.wake: Callable[[], None] = self._lock.release

    def wait(self) -> None:
        """Return when woken."""
        self._lock.acquire()


class TaskWaiter:
    """Suspends a task until it is woken, from whichever thread."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()

    def wake(self) -> None:
        """End the wait; nothing where its loop is closed."""
        if asyncio._get_running_loop() is self.loop:  # noqa: SLF001 - documented for event loops; None in a plain thread
            self._end()
        else:
            with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits there any more
                self.loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


def join(flight: Flight, waiter: ThreadWaiter | TaskWaiter) -> bool:
    """Let *waiter* be woken when *flight* has ended, unless waiting for it could never end: then return False."""
    own = inside.get()
    if own:
        with _graph:
            if _leads_to(flight, own):
                return False
            for one in own:
                one.waits.append(flight)
    flight.wakers.append(waiter.wake)
    flight.passengers += 1
    return True


def leave(flight: Flight) -> None:
    """The wait of :func:`join` is over."""
    own = inside.get()
    if own:
        with _graph:
            for one in own:
                one.waits.remove(flight)


def _leads_to(flight: Flight, own: tuple[Flight, ...]) -> bool:
    seen: set[int] = set()
    ahead = [flight]
    while ahead:
        one = ahead.pop()
        if one in own:
            return True
        if id(one) not in seen:
            seen.add(id(one))
            ahead.extend(one.waits)
    return False
