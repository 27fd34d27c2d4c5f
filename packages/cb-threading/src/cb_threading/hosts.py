"""Who may be asked now: a queue for each host, with a cap, a delay and a time before which it must be left alone.

Pure: it knows no clock and no socket; every method is told the time. A host that must wait never keeps another one
waiting: hosts that can start something stand in one queue, those that wait for a time in a heap, and those that wait
for a transfer to end in neither. Every step costs O(log hosts); a host is forgotten when nothing of it waits and no
delay is due.

A host's delay is one between the moments at which *it* sees two requests. They may be on their way for a while, and the
first one for longer than the second. So the delay counts from when the first one's answer began to come: then it has
surely arrived. For an answer that does not come it waits only so long (`ON_THE_WAY`): a slow host is not to be asked at
half the pace.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["Schedule"]

T = TypeVar("T")

ON_THE_WAY = 0.02  # seconds, or a tenth of the delay if that is more: it has arrived by then, whatever comes back when
AT_ONCE = 0.001  # seconds: an answer within them came to a request that arrived when it was sent


@dataclass(slots=True)
class _Host(Generic[T]):
    name: str
    delay: float
    queue: deque[T] = field(default_factory=deque)
    later: list[tuple[float, int, T]] = field(default_factory=list)  # retries, each with its time
    active: int = 0
    started: float = 0.0  # the last one
    paced: float = 0.0  # not before this for the delay's sake,
    before: float = 0.0  # which was this before the last one was taken,
    held: float = 0.0  # and not before this for the host's own sake
    ready: bool = False  # stands in the queue of hosts
    timed: float = float("inf")  # stands in the heap, with this time


class Schedule(Generic[T]):
    """What to fetch next, polite to each host and never idle where another host could be asked.

    >>> schedule = Schedule(per_host=1, delay=5.0)
    >>> for item in ("a1", "a2", "b1"):
    ...     schedule.put(item, item[0], now=0.0)
    >>> schedule.take(0.0), schedule.take(0.0), schedule.take(0.0)
    ('a1', 'b1', None)
    >>> schedule.done("a", 1.0, started=0.0, answered=0.25); schedule.next_time(1.0)
    5.249
    >>> schedule.take(5.25)
    'a2'
    """

    def __init__(self, *, per_host: int, delay: float = 0.0) -> None:
        self._per_host = per_host
        self._delay = delay
        self._hosts: dict[str, _Host[T]] = {}
        self._ready: deque[_Host[T]] = deque()
        self._timed: list[tuple[float, int, _Host[T]]] = []
        self._count = 0
        self._waiting = 0

    def __len__(self) -> int:
        """Count the items that wait."""
        return self._waiting

    def put(self, item: T, host: str, now: float, *, after: float = 0.0) -> None:
        """Add an item, which must not start before *after* seconds from now."""
        where = self._host(host)
        self._waiting += 1
        if after > 0:
            self._count += 1
            heapq.heappush(where.later, (now + after, self._count, item))
        else:
            where.queue.append(item)
        self._list(where, now)

    def take(self, now: float) -> T | None:
        """Return the next item that may start now, and count it as started; None: there is none now."""
        timed = self._timed
        while timed and timed[0][0] <= now:
            due, _, where = heapq.heappop(timed)
            if due == where.timed:  # else it was listed again, with another time
                where.timed = float("inf")
                self._list(where, now)
        while self._ready:
            where = self._ready.popleft()
            where.ready = False
            if self._startable(where) > now:
                self._list(where, now)
                continue
            while where.later and where.later[0][0] <= now:
                where.queue.append(heapq.heappop(where.later)[2])
            item = where.queue.popleft()
            where.active += 1
            where.started, where.before = now, where.paced
            if where.delay:
                where.paced = now + where.delay + max(ON_THE_WAY, where.delay / 10)
            self._waiting -= 1
            self._list(where, now)
            return item
        return None

    def done(self, host: str, now: float, *, started: float, answered: float) -> None:
        """A transfer has ended, which `take` had given at *started* and whose answer began to come at *answered*."""
        where = self._hosts[host]
        where.active -= 1
        if started == where.started:  # none was taken after it
            arrived = max(started, answered - AT_ONCE)
            where.paced = min(where.paced, arrived + where.delay)
        self._end(where, now)

    def untake(self, host: str, now: float) -> None:
        """What `take` just gave for the host was not asked for after all."""
        where = self._hosts[host]
        where.active -= 1
        where.paced = where.before
        self._end(where, now)

    def _end(self, where: _Host[T], now: float) -> None:
        self._list(where, now)
        waits = where.active or where.queue or where.later or max(where.paced, where.held) > now
        if not waits and where.delay == self._delay:
            del self._hosts[where.name]

    def hold(self, host: str, seconds: float, now: float) -> None:
        """Leave a host alone for so long (Retry-After)."""
        where = self._host(host)
        where.held = max(where.held, now + seconds)
        self._list(where, now)

    def slow(self, host: str, delay: float, now: float) -> None:
        """Give a host a longer delay than the others (Crawl-delay), which begins now."""
        where = self._host(host)
        if delay > where.delay:
            where.delay = delay
            self.hold(host, delay, now)

    def next_time(self, now: float) -> float | None:
        """When `take` may give something; None: not before something is put or done."""
        if self._ready:
            return now
        return self._timed[0][0] if self._timed else None

    def _host(self, name: str) -> _Host[T]:
        where = self._hosts.get(name)
        if where is None:
            where = self._hosts[name] = _Host(name, self._delay)
        return where

    def _startable(self, where: _Host[T]) -> float:
        """When the host can start something; never, as far as its own state tells: infinity."""
        if where.active >= self._per_host or not (where.queue or where.later):
            return float("inf")
        first = max(where.paced, where.held)
        return first if where.queue else max(first, where.later[0][0])

    def _list(self, where: _Host[T], now: float) -> None:
        """Put a host where it belongs: among the ready ones, into the heap, or nowhere."""
        when = self._startable(where)
        if when <= now:
            if not where.ready:
                where.ready = True
                self._ready.append(where)
        elif when < where.timed:
            where.timed = when
            self._count += 1
            heapq.heappush(self._timed, (when, self._count, where))
