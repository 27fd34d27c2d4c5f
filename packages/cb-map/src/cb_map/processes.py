"""Child processes, each with a pipe of its own: no shared lock, so none that a killed worker could take with it.

A worker that dies is seen at once, by the end of its pipe; its tasks are reported as lost and another one is started.
A worker whose task is abandoned is killed. When this process dies, however it dies, its workers end.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import selectors
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from time import monotonic
from typing import Any

from cb_map.backend import Task
from cb_map.chunk import run_packed, unpack_outcome
from cb_map.errors import UnpicklableFunction, WorkerDied

QUEUED = 32 * 1024
"""Bytes that may wait in a pipe behind a running task. More could block us while the worker is blocked by us."""


READY = b"ready"
"""A worker's first message: starting a process takes time, which is no item's."""


def context() -> BaseContext:
    """Fork where this is the only thread of the process, a matter of a millisecond; else what is safe with threads."""
    methods = multiprocessing.get_all_start_methods()
    tasks = "/proc/self/task"
    if sys.platform == "linux" and os.path.exists(tasks) and len(os.listdir(tasks)) == 1:  # noqa: PTH110, PTH208
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
    os._exit(1)


def _serve(pipe: Connection, job: bytes, inherited: Iterable[Connection]) -> None:
    """What a worker does: answer each chunk, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in inherited:
        other.close()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        pipe.send_bytes(READY)
        while True:
            rows = pipe.recv_bytes()
            try:
                pipe.send_bytes(run_packed(job, rows))
            except UnpicklableFunction as error:
                pipe.send_bytes(b"!" + str(error).encode())
            except Exception as error:  # noqa: BLE001  # rows that cannot be loaded here
                pipe.send_bytes(b"?" + f"{type(error).__name__}: {error}".encode())


class _Worker:
    __slots__ = ("pipe", "process", "ready", "tasks")

    def __init__(self, ctx: BaseContext, job: bytes, others: list[Connection]) -> None:
        self.tasks: deque[Task] = deque()
        self.ready = False
        self.pipe, theirs = ctx.Pipe()
        inherited = [*others, self.pipe] if ctx.get_start_method() == "fork" else []
        make: Any = ctx
        self.process = make.Process(target=_serve, args=(theirs, job, inherited), daemon=True)
        self.process.start()
        theirs.close()


class Processes:
    """The workers of one run; started when there is work for them."""

    largest: int = 4096

    def __init__(self, job: bytes, workers: int) -> None:
        self.slots: int = workers
        self._job = job
        self._context = context()
        self._owner = os.getpid()
        self._workers: list[_Worker] = []
        self._todo: deque[tuple[Task, bytes]] = deque()
        self._ended: list[Task] = []
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._waker = os.pipe()
        self._selector.register(self._wakeup, selectors.EVENT_READ)

    def submit(self, task: Task) -> None:
        try:
            rows = pickle.dumps(task.rows, pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # noqa: BLE001  # pickle raises what __reduce__ raises
            task.lost = TypeError(f"an argument cannot be sent to another process: {error} (use backend='thread')")
            self._ended.append(task)
            return
        self._todo.append((task, rows))
        self._dispatch()

    def _dispatch(self) -> None:
        """Give tasks to idle workers, to new ones while there may be more, and a second one to those at a brief one."""
        while self._todo:
            task, rows = self._todo[0]
            worker = min(self._workers, key=lambda one: len(one.tasks), default=None)
            if worker is None or (worker.tasks and len(self._workers) < self.slots):
                worker = self._start()
            elif worker.tasks and not (task.brief and len(worker.tasks) == 1 and len(rows) <= QUEUED):
                return
            self._todo.popleft()
            worker.tasks.append(task)
            if worker.ready and len(worker.tasks) == 1:
                task.began = monotonic()
            try:
                worker.pipe.send_bytes(rows)
            except OSError:
                self._bury(worker)

    def _start(self) -> _Worker:
        worker = _Worker(self._context, self._job, [one.pipe for one in self._workers])
        self._workers.append(worker)
        self._selector.register(worker.pipe, selectors.EVENT_READ, worker)
        return worker

    def wait(self, timeout: float | None) -> Iterable[Task]:
        ended, self._ended = self._ended, []
        for key, _ in self._selector.select(0 if ended else timeout):
            if key.data is None:
                os.read(self._wakeup, 1)
                continue
            worker: _Worker = key.data
            try:
                answer = worker.pipe.recv_bytes()
            except (EOFError, OSError):
                self._bury(worker)
                continue
            if answer == READY:
                worker.ready = True
                worker.tasks[0].began = monotonic()
                continue
            task = worker.tasks.popleft()
            if answer[:1] == b"!":
                task.lost = UnpicklableFunction(answer[1:].decode())
            elif answer[:1] == b"?":
                task.lost = TypeError(f"an argument cannot be loaded in a worker: {answer[1:].decode()}")
            else:
                task.outcome = unpack_outcome(answer)
            ended.append(task)
        self._dispatch()
        ended += self._ended
        self._ended = []
        return ended

    def _bury(self, worker: _Worker) -> None:
        """Report the task that a dead worker was at; what waited behind it goes to another one."""
        self._remove(worker)
        code = worker.process.exitcode
        how = f"by {signal.Signals(-code).name}" if code is not None and code < 0 else f"with status {code}"
        if worker.tasks:
            task = worker.tasks.popleft()
            task.lost = WorkerDied(f"the worker process ended {how}")
            self._ended.append(task)
        self._again(worker)

    def _again(self, worker: _Worker) -> None:
        for task in reversed(worker.tasks):
            self._todo.appendleft((task, pickle.dumps(task.rows, pickle.HIGHEST_PROTOCOL)))
        worker.tasks.clear()

    def _remove(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._selector.unregister(worker.pipe)
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()

    def wake(self) -> None:
        os.write(self._waker, b"w")

    def abandon(self, task: Task) -> None:
        for worker in self._workers:
            if task in worker.tasks:
                worker.tasks.remove(task)
                self._remove(worker)
                self._again(worker)
                return
        self._todo = deque(pair for pair in self._todo if pair[0] is not task)

    def close(self) -> None:
        if os.getpid() != self._owner:  # a forked child that cleans up its copy of the parent's objects
            return
        for worker in self._workers:
            self._selector.unregister(worker.pipe)
            worker.pipe.close()
            if worker.tasks:
                worker.process.kill()
        for worker in self._workers:
            worker.process.join(5)
            worker.process.kill()  # a function may have left a thread behind that holds the worker
            worker.process.join()
            worker.process.close()
        self._workers.clear()
        self._selector.close()
        os.close(self._wakeup)
        os.close(self._waker)
