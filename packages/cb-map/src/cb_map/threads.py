"""Backends in this process: inline, and threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from time import monotonic

from cb_map.backend import Task
from cb_map.chunk import Job, Outcome, run_chunk


class Inline:
    """Runs a task when it is waited for: nothing at once, nothing ahead, nothing to give back."""

    slots: int = 1
    largest: int = 1

    def __init__(self, job: Job) -> None:
        self._job = job
        self._todo: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        self._todo.append(task)

    def wait(self, timeout: float | None) -> Iterable[Task]:  # noqa: ARG002  # nothing is waited for
        task = self._todo.popleft()
        task.outcome = run_chunk(self._job, task.rows)
        return (task,)

    def wake(self) -> None:
        """Nobody waits."""

    def abandon(self, task: Task) -> None:
        """Nothing runs beside the caller, so nothing can be late."""

    def close(self) -> None:
        self._todo.clear()


class Threads:
    """Threads that take tasks from one queue. They are daemons: a function that never returns holds nobody up.

    Python cannot end a thread. One whose task is abandoned is replaced, drops its result and ends when it returns.
    """

    largest: int = 4096

    def __init__(self, job: Job, workers: int) -> None:
        self.slots: int = workers
        self._job = job
        self._todo: SimpleQueue[Task | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Task, Outcome] | None] = SimpleQueue()
        self._threads = 0
        self._unfinished = 0
        self._abandoned: set[Task] = set()
        self._closed = False

    def submit(self, task: Task) -> None:
        task.began = monotonic()
        self._todo.put(task)
        self._unfinished += 1
        if self._threads < min(self.slots, self._unfinished):
            self._start()

    def _start(self) -> None:
        self._threads += 1
        threading.Thread(target=self._work, name=f"cb-map-{self._threads}", daemon=True).start()

    def _work(self) -> None:
        while (task := self._todo.get()) is not None and not self._closed:
            outcome = run_chunk(self._job, task.rows)
            if task in self._abandoned:
                self._abandoned.discard(task)
                return
            self._done.put((task, outcome))

    def wait(self, timeout: float | None) -> Iterable[Task]:
        done: list[Task] = []
        try:
            pair = self._done.get(timeout=timeout)
            while True:
                if pair is not None:
                    # Here and not in the worker: the engine may look at a task at any moment.
                    task = pair[0]
                    task.outcome = pair[1]
                    done.append(task)
                pair = self._done.get_nowait()
        except Empty:
            self._unfinished -= len(done)
            return done

    def wake(self) -> None:
        self._done.put(None)

    def abandon(self, task: Task) -> None:
        self._abandoned.add(task)
        self._unfinished -= 1
        self._start()

    def close(self) -> None:
        self._closed = True
        for _ in range(self._threads):
            self._todo.put(None)
