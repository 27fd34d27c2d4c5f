"""Backends that hand out futures: any Executor, a Dask client, Ray."""

from __future__ import annotations

import concurrent.futures
import pickle
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from cb_map.backend import Task
from cb_map.chunk import Job, Outcome, run_chunk, run_packed, unpack_outcome
from cb_map.errors import MapError, WorkerDied

RESTART_SECONDS = 10
"""How long a worker of a cluster may take to come back before the run goes on without it."""


class Futures:
    """Tasks as futures. *send* starts one and returns its future, *receive* makes an outcome of a future's result.

    *cancel* is for what nobody waits for any more, *give_up* for what hangs: it must make room for others.
    """

    def __init__(
        self,
        send: Callable[[list[Any]], Any],
        receive: Callable[[Any], Outcome],
        *,
        slots: int,
        largest: int = 4096,
        cancel: Callable[[Any], object] | None = None,
        give_up: Callable[[Any], object] | None = None,
        finish: Callable[[], object] | None = None,
    ) -> None:
        self.slots: int = slots
        self.largest: int = largest
        self._send = send
        self._receive = receive
        self._cancel = cancel or _cancel
        self._give_up = give_up or self._cancel
        self._finish = finish
        self._futures: dict[Task, Any] = {}
        self._done: SimpleQueue[Task | None] = SimpleQueue()

    def submit(self, task: Task) -> None:
        try:
            future = self._send(task.rows)
        except (concurrent.futures.BrokenExecutor, RuntimeError) as error:
            # A pool that is broken or shut down takes nothing any more: that concerns every row.
            task.lost = ExecutorBroken(f"the executor takes no more work: {error} (backend='process' replaces workers)")
            self._done.put(task)
            return
        except Exception as error:  # noqa: BLE001  # pickle raises what __reduce__ raises
            task.lost = TypeError(f"an argument cannot be sent to another process: {error}")
            self._done.put(task)
            return
        task.began = monotonic()
        self._futures[task] = future
        future.add_done_callback(lambda _: self._done.put(task))

    def wait(self, timeout: float | None) -> Iterable[Task]:
        done: list[Task] = []
        try:
            task = self._done.get(timeout=timeout)
            while True:
                if task is not None:
                    self._read(task)
                    done.append(task)
                task = self._done.get_nowait()
        except Empty:
            return done

    def _read(self, task: Task) -> None:
        future = self._futures.pop(task, None)
        if future is None:
            return
        try:
            task.outcome = self._receive(future.result())
        except MapError as error:
            task.lost = error
        except concurrent.futures.BrokenExecutor as error:
            task.lost = ExecutorBroken(f"the executor is broken: {error} (backend='process' replaces workers)")
        except BaseException as error:  # the backend's own, asyncio's CancelledError too: a worker was lost
            if isinstance(error, KeyboardInterrupt):
                raise
            task.lost = WorkerDied(f"{type(error).__name__}: {error}".partition("\n")[0])

    def wake(self) -> None:
        self._done.put(None)

    def abandon(self, task: Task) -> None:
        future = self._futures.pop(task, None)
        if future is not None:
            self._give_up(future)
            now = monotonic()
            for other in self._futures:
                other.began = now  # while room was made nothing ran for them: that is no time of theirs

    def close(self) -> None:
        for future in self._futures.values():
            self._cancel(future)
        self._futures.clear()
        if self._finish is not None:
            self._finish()


class ExecutorBroken(MapError, RuntimeError):
    """The executor that was given takes no more work."""


def _cancel(future: Any) -> None:
    future.cancel()


def executor(pool: concurrent.futures.Executor, workers: int | None, job: Job | bytes) -> Futures:
    """Any `concurrent.futures.Executor`; it stays open. A pickled job is for workers that are other processes."""
    slots = workers or getattr(pool, "_max_workers", None) or 4
    if isinstance(job, Job):
        return Futures(lambda rows: pool.submit(run_chunk, job, rows), lambda outcome: outcome, slots=slots)
    packed = job
    return Futures(lambda rows: pool.submit(run_packed, packed, pickle.dumps(rows)), unpack_outcome, slots=slots)


def dask(packed: bytes, client: Any, workers: int | None) -> Futures:
    """A `distributed.Client`. Dask itself runs tasks again whose worker was lost; the workers need cb-map too.

    A task that is given up while it runs has its worker restarted: Dask cannot end it, and would hand the busy worker
    further tasks, which would be late as well. What else that worker was at, Dask runs elsewhere. A worker that is not
    back in time is done without; one that has no nanny cannot be restarted, and stays busy.
    """
    slots = workers or sum(client.nthreads().values()) or 1

    def send(rows: list[Any]) -> Any:
        return client.submit(run_packed, packed, pickle.dumps(rows), pure=False)

    def give_up(future: Any) -> None:
        busy = [worker for worker, keys in client.processing().items() if future.key in keys]
        future.cancel()
        if busy:
            with suppress(ValueError):  # it has no nanny
                client.restart_workers(busy, timeout=RESTART_SECONDS, raise_for_error=False)
            futures.slots = min(slots, sum(client.nthreads().values()) or 1)

    futures = Futures(send, unpack_outcome, slots=slots, give_up=give_up)
    return futures


def ray(packed: bytes, workers: int | None) -> Futures:
    """The Ray cluster that this process is connected to; one on this machine is started where there is none."""
    import ray as cluster

    if not cluster.is_initialized():
        cluster.init(include_dashboard=False, log_to_driver=False)
    remote: Any = cluster.remote(run_packed)
    references: dict[Any, Any] = {}
    in_store = cluster.put(packed)

    def send(rows: list[Any]) -> Any:
        reference = remote.remote(in_store, pickle.dumps(rows))
        future = reference.future()
        references[future] = reference
        future.add_done_callback(lambda _: references.pop(future, None))
        return future

    def cancel(future: Any) -> None:
        reference = references.pop(future, None)
        if reference is not None:
            cluster.cancel(reference, force=True)

    resources: Any = cluster.cluster_resources
    slots = workers or int(resources().get("CPU", 1))
    return Futures(send, unpack_outcome, slots=slots, cancel=cancel)
