"""Timers, repository, limiter against their peers."""

from __future__ import annotations

import asyncio
import resource
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cb_threading import Limiter, Repository, TimerService, WorkerGroup

# Timers: due 1.5 to 2.5 s from now ----------------------------------------------------------------


def timers(kind: str, count: int) -> dict[str, float]:
    """Runs in a process of its own: seconds to set them, threads, MB, how late they were in ms, CPU seconds."""
    late: list[float] = []
    done = threading.Event()
    base = time.perf_counter() + 1.5 + (8.0 if kind == "threading.Timer" else 0.0)

    def fired(due: float) -> None:
        late.append(time.perf_counter() - due)
        if len(late) == count:
            done.set()

    dues = [base + number / count for number in range(count)]
    cpu, start = time.process_time(), time.perf_counter()
    ends: list[Callable[[], object]] = []
    if kind == "TimerService":
        service = TimerService()
        for due in dues:
            service.call_later(due - time.perf_counter(), fired, due)
        ends.append(service.close)
    elif kind == "threading.Timer":
        for due in dues:
            timer = threading.Timer(max(0.0, due - time.perf_counter()), fired, (due,))
            timer.daemon = True
            timer.start()
    elif kind == "APScheduler":
        from datetime import datetime, timedelta

        from apscheduler.schedulers.background import BackgroundScheduler

        scheduler = BackgroundScheduler(job_defaults={"misfire_grace_time": 60})
        scheduler.start()
        now, zero = datetime.now(), time.perf_counter()  # noqa: DTZ005
        for due in dues:
            scheduler.add_job(fired, "date", run_date=now + timedelta(seconds=due - zero), args=(due,))
        ends.append(scheduler.shutdown)
    else:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        for due in dues:
            loop.call_soon_threadsafe(loop.call_later, due - time.perf_counter(), fired, due)
        ends.append(lambda: loop.call_soon_threadsafe(loop.stop))
    set_up = time.perf_counter() - start
    threads = threading.active_count()
    done.wait(240)
    for end in ends:
        end()
    late.sort()
    return {
        "set up": set_up, "threads": threads, "fired": len(late),
        "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "p50": late[len(late) // 2] * 1000, "p99": late[len(late) * 99 // 100] * 1000, "cpu": time.process_time() - cpu,
    }  # fmt: skip


# Repository: 100 rows, nine reads to one read-modify-write -------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    value: int = 0


class _Locked:
    def __init__(self, lock: Any) -> None:
        self.lock, self.rows = lock, {number: Row() for number in range(100)}

    def get(self, number: int) -> Row:
        with self.lock:
            return self.rows[number]

    def update(self, number: int) -> None:
        with self.lock:
            self.rows[number] = replace_row(self.rows[number])


class _Shared:
    def __init__(self) -> None:
        from readerwriterlock import rwlock

        self.lock, self.rows = rwlock.RWLockFair(), {number: Row() for number in range(100)}

    def get(self, number: int) -> Row:
        with self.lock.gen_rlock():
            return self.rows[number]

    def update(self, number: int) -> None:
        with self.lock.gen_wlock():
            self.rows[number] = replace_row(self.rows[number])


class _Ours:
    def __init__(self) -> None:
        self.repository: Repository[Row] = Repository()
        for _ in range(100):
            self.repository.add(Row())
        self.get = self.repository.get
        self.rows: Any = None

    def update(self, number: int) -> None:
        self.repository.update(number, replace_row)


def replace_row(row: Row) -> Row:
    return Row(row.value + 1)


def repository(make: Callable[[], Any], threads: int, steps: int) -> tuple[float, int]:
    """Million operations a second, lost updates."""
    store = make()
    go = threading.Barrier(threads + 1)

    def work() -> None:
        get, update = store.get, store.update
        go.wait()
        for step in range(steps):
            if step % 10:
                get(step % 100)
            else:
                update(step % 100)

    with WorkerGroup() as group:
        for _ in range(threads):
            group.start(work)
        go.wait()
        start = time.perf_counter()
    seconds = time.perf_counter() - start
    rows = store.repository.snapshot() if isinstance(store, _Ours) else store.rows
    updates = threads * len(range(0, steps, 10))
    return threads * steps / seconds / 1e6, updates - sum(row.value for row in rows.values())


STORES: dict[str, Callable[[], Any]] = {
    "Repository": _Ours,
    "dict and Lock": lambda: _Locked(threading.Lock()),
    "dict and RLock": lambda: _Locked(threading.RLock()),
    "dict and readerwriterlock": _Shared,
}


# Limiter: 8 threads, 2 places, 50 us each -------------------------------------------------------------


def fairness(make: Callable[[], Any], seconds: float) -> tuple[int, int, int]:
    """Acquisitions of the thread with the fewest, of that with the most, and of all."""
    limiter = make()
    counts = [0] * 8
    over = threading.Event()

    def work(number: int) -> None:
        while not over.is_set():
            with limiter:
                end = time.perf_counter() + 50e-6
                while time.perf_counter() < end:
                    pass
            counts[number] += 1

    with WorkerGroup() as group:
        for number in range(8):
            group.start(work, number)
        over.wait(seconds)
        over.set()
    return min(counts), max(counts), sum(counts)


LIMITERS: dict[str, Callable[[], Any]] = {
    "Limiter": lambda: Limiter(2),
    "Limiter(fair=False)": lambda: Limiter(2, fair=False),
    "threading.Semaphore": lambda: threading.Semaphore(2),
    "threading.BoundedSemaphore": lambda: threading.BoundedSemaphore(2),
}

if __name__ == "__main__":
    print(repr(timers(sys.argv[1], int(sys.argv[2]))))
