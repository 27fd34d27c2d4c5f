"""The chapter's small programs, as they should be. Each returns the lines that it would print, in their order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from cb_threading.context import ThreadContext, thread_info
from cb_threading.repository import Repository
from cb_threading.timers import TimerService
from cb_threading.workers import Worker, WorkerGroup, spawn

__all__ = ["RECIPES"]

Say = Callable[[str], object]


def lowlevel(say: Say, delays: Sequence[float] = (0.02, 0.04)) -> None:
    """Two threads say five lines each; the program waits for both."""
    stop = threading.Event()

    def run(name: str, delay: float) -> int:
        for number in range(1, 6):
            if stop.wait(delay):
                return number - 1
            say(f"{name}: {number}")
        return 5

    workers = [spawn(run, f"Thread-{number}", delay) for number, delay in enumerate(delays, 1)]
    try:
        say(f"{sum(worker.result() for worker in workers)} lines")
    finally:
        stop.set()  # after Ctrl-C there is somebody to be told


def workers(say: Say, delays: Sequence[float] = (0.01, 0.02, 0.03)) -> None:
    """Three workers, each with a name, a result, and its own time."""

    def run(delay: float) -> None:
        say(f"{threading.current_thread().name} start")
        if not group.stop.wait(delay):
            say(f"{threading.current_thread().name} end")

    with WorkerGroup(name="Thread") as group:
        for delay in delays:
            group.start(run, delay)


def info(say: Say, _delays: Sequence[float] = ()) -> None:
    """What a thread knows about itself."""
    worker = Worker(thread_info, name="my-thread", daemon=True)
    worker.start()
    for one in (thread_info(), worker.result()):
        say(f"{one.name}: native_id={one.native_id} alive={one.alive} daemon={one.daemon} main={one.main}")


def daemon(say: Say, delays: Sequence[float] = (0.01, 0.02)) -> None:
    """A daemon thread that would run for ever does not keep the program."""
    started = threading.Event()

    def run_for_ever() -> None:
        say("daemon start")
        started.set()
        threading.Event().wait()
        say("daemon end")  # pragma: no cover - which is the point

    Worker(run_for_ever, daemon=True).start()
    started.wait()
    workers(say, delays)


def timers(say: Say, delays: Sequence[float] = (0.03,)) -> None:
    """Two timers, one of which is cancelled in time."""
    over = threading.Event()

    def run() -> None:
        say("t1: worker running")
        over.set()

    with TimerService() as service:
        say("starting timers")
        service.call_later(delays[0], run)
        t2 = service.call_later(delays[0] + 3600, say, "t2: worker running")
        say(f"canceling t2: {t2.cancel()}")
        over.wait()
        say(f"canceling t2 again: {t2.cancel()}")


def rlock(say: Say, delays: Sequence[float] = (0.02,)) -> None:
    """A thread may lock again what it has locked; another one waits."""
    rows: Repository[int] = Repository()
    number = rows.add(1)
    with rows.transaction(), rows.transaction():
        rows.update(number, lambda value: value + 1)
        say(f"locked twice, updated to {rows.get(number) + 1} inside")
        other = spawn(rows.update, number, lambda value: value * 10)
        try:
            other.result(timeout=delays[0])
        except TimeoutError:
            say("another thread waits")
    other.result()
    say(f"in the end: {rows.get(number)}")


def local(say: Say, _delays: Sequence[float] = ()) -> None:
    """One shared name, a value for each thread."""
    data: ThreadContext[int] = ThreadContext()

    def run(number: int) -> None:
        name = threading.current_thread().name
        say(f"{name}: {data.get('data does not have a value yet')}")
        data.value = number
        say(f"{name}: {data.value}")

    with WorkerGroup(name="Thread") as group:
        for number in range(4):
            group.start(run, number)


RECIPES: dict[str, Callable[..., None]] = {
    recipe.__name__: recipe for recipe in (lowlevel, workers, info, daemon, timers, rlock, local)
}
