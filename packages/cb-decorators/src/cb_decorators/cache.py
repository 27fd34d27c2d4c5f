"""A cache's bookkeeping: what a call finds, who runs, what a run leaves behind. No function is called here.

Everything below happens under one lock per cache, held for a few dictionary operations. It is re-entrant because the
``__eq__`` of a key, or a value's finaliser, may call the cached function. What leaves is let go of after the lock.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from cb_decorators.flight import Flight, TaskWaiter, ThreadWaiter, again, forget_graph, join
from cb_decorators.policy import Policy
from cb_decorators.table import Entry, Table

__all__ = ["Backing", "Cache", "CacheInfo", "Entered"]

WaiterT = TypeVar("WaiterT", ThreadWaiter, TaskWaiter)


class CacheInfo(NamedTuple):
    """Exact counts since the start or the last ``cache_clear``.

    ``hits`` are calls answered with a kept result, ``misses`` runs of the function, ``waits`` calls that waited for
    somebody else's run. ``maxsize`` is the limit, ``currsize`` how many results are kept in memory now.
    """

    hits: int
    misses: int
    maxsize: int | None
    currsize: int
    waits: int


class Entered(NamedTuple, Generic[WaiterT]):
    """What a call found: an entry; or a run to lead; or one to wait for; or, with none of them, to run alone."""

    entry: Entry | None = None
    flight: Flight | None = None
    waiter: WaiterT | None = None


class Backing(Protocol):
    """A place outside of this process where results are kept too."""

    def contains(self, key: Hashable) -> bool:
        """Whether a valid result is there."""

    def put(self, key: Hashable, value: Any) -> float:
        """Keep a result; return for how many seconds this process may keep it too."""

    def invalidate(self, key: Hashable) -> bool:
        """Forget a result; a run under way elsewhere does not leave its own."""

    def clear(self) -> int:
        """Forget all results of the function; return how many."""


_caches: weakref.WeakSet[Cache] = weakref.WeakSet()
_registered = False


def _after_fork() -> None:
    forget_graph()
    for cache in list(_caches):
        cache.after_fork()


class Cache:
    """Results of one function (of one method for one instance), and the runs that are making more."""

    def __init__(self, policy: Policy, backing: Backing | None = None) -> None:
        global _registered  # noqa: PLW0603
        self.policy: Policy = policy
        self.backing: Backing | None = backing
        self.table: Table = Table(policy.maxsize)
        self.failures: Table = Table(policy.maxsize)
        self.misses: int = 0
        self.waits: int = 0
        self.found: int = 0
        """Calls that the backing answered."""
        self._flights: dict[Hashable, Flight] = {}
        self._mutex = threading.RLock()
        _caches.add(self)
        if not _registered and hasattr(os, "register_at_fork"):
            _registered = True
            os.register_at_fork(after_in_child=_after_fork)

    def after_fork(self) -> None:
        """In the child: the threads and tasks that were running the function are not there any more."""
        self._mutex = threading.RLock()
        self._flights.clear()
        self.table.rebuild()
        self.failures.rebuild()

    # What a call does

    def enter(self, key: Hashable, new_waiter: Callable[[], WaiterT], *, fresh: bool) -> Entered[WaiterT]:
        """Decide what a call has to do. With *fresh* it leads a run of its own, whatever there is.

        Raises:
            Exception: A copy of the exception that is kept for this key.
        """
        with self._mutex:
            flight = self._flights.get(key)
            if flight is not None and flight.loop is not None and flight.loop.is_closed():
                self._abandon(key, flight)
                flight = None
            if not fresh:
                now = self.policy.clock()
                entry = self.table.data.get(key)
                if entry is not None and now < (entry.keep if flight else entry.expires):
                    entry.used = next(self.table.ticks)
                    return Entered(entry=entry)
                failure = self.failures.data.get(key)
                if failure is not None and now < failure.expires:
                    failure.used = next(self.failures.ticks)
                    raise again(failure.value, None)
                if flight is not None:
                    waiter = new_waiter()
                    if not join(flight, waiter):
                        return Entered()
                    self.waits += 1
                    return Entered(flight=flight, waiter=waiter)
            flight = self._flights[key] = Flight()
            return Entered(flight=flight)

    def board(self, flight: Flight, waiter: TaskWaiter) -> None:
        """Let the leader wait for the task that runs in its place."""
        with self._mutex:
            flight.wakers.append(waiter.wake)
            flight.passengers += 1

    def disembark(self, flight: Flight) -> None:
        """A caller has the outcome, or no longer wants it."""
        with self._mutex:
            flight.passengers -= 1
            if not flight.passengers:
                flight.forget()

    def land(self, key: Hashable, flight: Flight, value: Any, lifetime: float) -> None:
        """A run made a value: keep it, unless the key was invalidated, cleared or put while it ran."""
        dropped: list[Entry] = []
        try:
            with self._mutex:
                flight.succeed(value)
                if self._flights.get(key) is flight:
                    del self._flights[key]
                    dropped = self._keep(key, value, lifetime)
        finally:
            self._wake(flight)
        del dropped

    def crash(self, key: Hashable, flight: Flight, error: Exception) -> None:
        """A run raised: everyone who waits gets it; it is kept only where ``errors`` says so."""
        dropped: list[Entry] = []
        try:
            with self._mutex:
                flight.fail(error)
                if self._flights.get(key) is flight:
                    del self._flights[key]
                    if self.policy.errors and isinstance(error, self.policy.errors[1]):
                        now = self.policy.clock()
                        until = now + self.policy.errors[0]
                        # Without its traceback, whose frames would keep the arguments alive.
                        dropped = self.failures.put(key, again(error, None), until, until, now)
        finally:
            self._wake(flight)
        del dropped

    def abandon(self, key: Hashable, flight: Flight) -> None:
        """A run ended without an outcome (interrupted, cancelled, its loop closed): whoever waits starts again."""
        with self._mutex:
            self._abandon(key, flight)

    def _abandon(self, key: Hashable, flight: Flight) -> None:
        flight.abandoned = True
        if self._flights.get(key) is flight:
            del self._flights[key]
        self._wake(flight)

    def _wake(self, flight: Flight) -> None:
        with self._mutex:
            wakers, flight.wakers = flight.wakers, []
        for wake in wakers:
            wake()

    def _keep(self, key: Hashable, value: Any, lifetime: float) -> list[Entry]:
        self.failures.pop(key)
        now = self.policy.clock()
        if lifetime <= 0:
            old = self.table.pop(key)
            return [old] if old else []
        return self.table.put(key, value, now + lifetime, now + lifetime + self.policy.stale, now)

    def count_run(self) -> None:
        """The function runs."""
        with self._mutex:
            self.misses += 1

    def count_found(self) -> None:
        """The backing had it."""
        with self._mutex:
            self.found += 1

    # What the decorated function offers

    def info(self) -> CacheInfo:
        """Return the counts."""
        with self._mutex:
            hits = self.table.hits() + self.failures.hits() + self.found
            return CacheInfo(hits, self.misses, self.policy.maxsize, len(self.table.data), self.waits)

    def clear(self) -> None:
        """Forget results and counts; what is running does not leave its result."""
        with self._mutex:
            self._flights.clear()
            dropped = self.table.clear() + self.failures.clear()
            self.misses, self.waits, self.found = 0, 0, 0
        del dropped
        if self.backing:
            self.backing.clear()

    def invalidate(self, key: Hashable) -> bool:
        """Forget one result; a run under way does not leave its own. Return whether there was one."""
        with self._mutex:
            self._flights.pop(key, None)
            gone = [self.table.pop(key), self.failures.pop(key)]
        elsewhere = self.backing is not None and self.backing.invalidate(key)
        return elsewhere or gone != [None, None]

    def contains(self, key: Hashable) -> bool:
        """Whether a call would be answered from what is kept. Counts nothing."""
        entry = self.table.data.get(key)
        if entry is not None and self.policy.clock() < entry.expires:
            return True
        return self.backing is not None and self.backing.contains(key)

    def put(self, key: Hashable, value: Any) -> None:
        """Keep *value* as if the function had returned it."""
        lifetime = self.backing.put(key, value) if self.backing else self.policy.lifetime(value)
        with self._mutex:
            self._flights.pop(key, None)
            dropped = self._keep(key, self.fresh(value), lifetime)
        del dropped

    def fresh(self, value: Any) -> Any:
        """Return what a caller may change without changing what is kept."""
        return value if self.policy.copy is None else self.policy.copy(value)
