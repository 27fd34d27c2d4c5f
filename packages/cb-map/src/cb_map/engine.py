"""One engine for every backend: a window of chunks, results in order, nothing lost.

    rows ──take──▶ Task ──submit──▶ backend ──wait──▶ Outcome ──deliver──▶ lists of results

It is a generator, so that it works only when a result is asked for: a consumer that pauses pauses the input. The
window is refilled before results are handed on, so that workers are busy while the consumer is. Every row that was
taken from the input ends as a result, as an `ItemError`, or in flight; `Stats` counts them.

A backend loses a task when its worker dies. The rows of such a chunk are run again one by one; a row that then loses
its worker once more is given up. So functions run at least once, and not exactly once, when workers die.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any

from cb_map.backend import Backend, Task
from cb_map.chunk import Job, Outcome
from cb_map.errors import ItemError, MapError, WorkerDied
from cb_map.sizing import Sizing

BUFFER = 16384
"""Rows taken ahead at most, where nothing else is asked for."""
PROGRESS_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Stats:
    """Where every row is: ``pulled == done + failed + in_flight``, always.

    ``done`` counts results handed on, ``failed`` the items that ended in an `ItemError` whatever the policy,
    ``retried`` further calls, ``seconds`` the time since the first result was asked for, ``rate`` ended items a second.
    """

    pulled: int
    done: int
    failed: int
    retried: int
    seconds: float

    @property
    def in_flight(self) -> int:
        """Rows taken from the input whose results were not handed on."""
        return self.pulled - self.done - self.failed

    @property
    def rate(self) -> float:
        """Ended items a second."""
        return (self.done + self.failed) / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class Plan:
    """What was asked for, checked."""

    rows: Iterator[Any]
    job: Job
    start: Callable[[], Backend]
    ordered: bool
    chunk: int | None
    buffer: int | None
    timeout: float | None
    retries: int
    """For what only the engine sees: time-outs. The job retries exceptions."""
    skip: bool
    replace: Callable[[ItemError], Any] | None
    progress: Callable[[Stats], object] | None


class Engine:
    """The state of one run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._backend: Backend | None = None
        self._sizing = Sizing(plan.chunk, 1)
        self._window: deque[Task] = deque()
        self._running: set[Task] = set()
        self._pulled = self._done = self._failed = self._retried = self._held = 0
        self._exhausted = False
        self._stop = False
        self._error: BaseException | None = None
        self._began = self._ended = self._told = 0.0
        self._left = operator.length_hint(plan.rows)
        self.cancelled: bool = False

    def stats(self) -> Stats:
        """The counts at this moment."""
        seconds = (self._ended or monotonic()) - self._began if self._began else 0.0
        return Stats(self._pulled, self._done, self._failed, self._retried, seconds)

    def wake(self) -> None:
        """Let a run that waits in another thread end."""
        self.cancelled = True
        if self._backend is not None:
            self._backend.wake()

    def batches(self) -> Generator[list[Any], None, None]:
        """Lists of results, in order; what raises comes after all results before it."""
        plan = self._plan
        self._began = monotonic()
        backend = self._backend = plan.start()
        try:
            self._sizing = Sizing(plan.chunk, min(backend.largest, plan.buffer or BUFFER))
            while not self.cancelled:
                if self._error is None:
                    self._fill(backend)
                task = self._ready()
                if task is None:
                    if not self._window:
                        break
                    self._collect(backend)
                    continue
                results = self._deliver(task)
                if self._error is None:
                    self._fill(backend)
                self._tell()
                if results:
                    yield results
                self._held -= len(task.rows)  # and not before: what is handed on may not be used yet
                if self._stop:
                    break
            if self._error is not None:
                raise self._error
        finally:
            self._ended = monotonic()
            backend.close()
            self._tell(last=True)

    # In ----------------------------------------------------------------------------------------

    def _fill(self, backend: Backend) -> None:
        """Take rows while there is room for a chunk, and submit them."""
        at_once = backend.slots if self._plan.timeout or backend.largest == 1 else 2 * backend.slots
        most = self._plan.buffer or max(BUFFER, 2 * at_once * (self._plan.chunk or 1))
        while (
            not self._exhausted
            and not self.cancelled
            and len(self._running) < at_once
            and len(self._window) < 4 * at_once
            and self._held < most
        ):
            rows = self._take(min(self._size(at_once), most - self._held))
            if rows:
                task = Task(self._pulled, rows, brief=self._sizing.brief())
                self._pulled += len(rows)
                self._held += len(rows)
                self._window.append(task)
                self._submit(backend, task)

    def _size(self, at_once: int) -> int:
        size = self._sizing.rows()
        if self._plan.chunk is None:
            if self._plan.buffer:
                size = min(size, max(1, self._plan.buffer // at_once))
            if self._left:  # a known end: the last chunks shrink, so that all workers end together
                size = min(size, max(self._sizing.least(), (self._left - self._pulled) // (2 * at_once)))
        return size

    def _take(self, count: int) -> list[Any]:
        rows: list[Any] = []
        try:
            rows.extend(islice(self._plan.rows, count))
        except Exception as error:  # noqa: BLE001  # raised after the results of the rows before it
            self._error = error
            self._exhausted = True
        if len(rows) < count:
            self._exhausted = True
        return rows

    def _submit(self, backend: Backend, task: Task) -> None:
        self._running.add(task)
        backend.submit(task)

    # Out ---------------------------------------------------------------------------------------

    def _ready(self) -> Task | None:
        """The next task whose results may be handed on."""
        if self._plan.ordered:
            return self._window.popleft() if self._window and self._window[0].outcome is not None else None
        for task in self._window:
            if task.outcome is not None:
                self._window.remove(task)
                return task
        return None

    def _collect(self, backend: Backend) -> None:
        """Wait until something has ended, or has taken too long."""
        limit = self._plan.timeout
        began = [task.began for task in self._running if task.began is not None] if limit else []
        timeout = max(0.0, min(began) + limit - monotonic()) if limit and began else None
        for task in backend.wait(timeout):
            if task not in self._running:
                continue  # it ended just after it had been given up
            self._running.discard(task)
            if task.outcome is not None:
                self._sizing.learn(max(1, len(task.outcome.results)), task.outcome.seconds)
                self._retried += task.outcome.retried
            else:
                self._lost(backend, task)
        if limit:
            now = monotonic()
            for task in [one for one in self._running if one.began is not None and one.began + limit <= now]:
                self._late(backend, task)

    def _lost(self, backend: Backend, task: Task) -> None:
        """Run rows again whose worker died: one by one; those that were alone before are given up."""
        reason = task.lost or WorkerDied("the task was lost")
        if not isinstance(reason, WorkerDied) and isinstance(reason, MapError):
            raise reason  # concerns every row: a function that cannot be loaded, an executor that is broken
        if task.losses and len(task.rows) == 1:
            task.outcome = Outcome([None], [(0, reason)])
            return
        again = [Task(task.index + offset, [row], losses=1) for offset, row in enumerate(task.rows)]
        self._retried += len(again)
        position = self._window.index(task)
        del self._window[position]
        for offset, single in enumerate(again):
            self._window.insert(position + offset, single)
            self._submit(backend, single)

    def _late(self, backend: Backend, task: Task) -> None:
        """Give a row up, or another chance, that took longer than it may."""
        self._running.discard(task)
        backend.abandon(task)
        # Another object: the old one may still come back from its worker.
        again = Task(task.index, task.rows, losses=task.losses, retried=task.retried + 1)
        self._window[self._window.index(task)] = again
        if task.retried < self._plan.retries:
            self._retried += 1
            self._submit(backend, again)
        else:
            again.outcome = Outcome([None], [(0, TimeoutError(f"took longer than {self._plan.timeout:g} s"))])

    def _deliver(self, task: Task) -> list[Any]:
        """Results of a task, with failures as the policy says; sets the error to raise after them."""
        outcome = task.outcome
        assert outcome is not None
        if not outcome.failures:
            self._done += len(outcome.results)
            return outcome.results
        plan = self._plan
        failures = dict(outcome.failures)
        kept: list[Any] = []
        for position, value in enumerate(outcome.results):
            cause = failures.get(position)
            if cause is None:
                kept.append(value)
                self._done += 1
                continue
            self._failed += 1
            row = task.rows[position]
            failure = ItemError(task.index + position, row if plan.job.spread else (row,), cause)
            if plan.replace is not None:
                kept.append(plan.replace(failure))
            elif not plan.skip:
                self._error = failure
                self._stop = True
                break
        return kept

    def _tell(self, *, last: bool = False) -> None:
        progress = self._plan.progress
        now = monotonic()
        if progress is not None and (last or now - self._told >= PROGRESS_SECONDS):
            self._told = now
            progress(self.stats())
