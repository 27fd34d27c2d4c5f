"""A race: all start at one signal, and the order in which they come in is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cb_threading.workers import WorkerGroup

__all__ = ["Finish", "race"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finish(Generic[T]):
    """Who came in, as which (from 1), after how many seconds, with what result or exception."""

    place: int
    name: str
    seconds: float
    result: T | None
    error: BaseException | None


def race(runners: Mapping[str, Callable[[], T]]) -> list[Finish[T]]:
    """Run all functions at once, each in a thread of its name, and return them in the order in which they ended.

    None starts before the signal, which is given when all threads wait for it. Costs a thread a runner.

    >>> [finish.name for finish in race({"turtle": lambda: 1})]
    ['turtle']
    """
    ready = threading.Barrier(len(runners) + 1)
    signal = threading.Event()
    finished = threading.Lock()
    order: list[Finish[T]] = []
    start = 0.0

    def run(name: str, runner: Callable[[], T]) -> None:
        threading.current_thread().name = name
        result: Any = None
        failed: BaseException | None = None
        ready.wait()
        signal.wait()
        try:
            result = runner()
        except BaseException as error:  # noqa: BLE001 - kept in its Finish
            failed = error
        with finished:
            order.append(Finish(len(order) + 1, name, time.perf_counter() - start, result, failed))

    with WorkerGroup(grace=0.1) as group:  # after Ctrl-C: runners know of no `stop`
        for name, runner in runners.items():
            group.start(run, name, runner)
        ready.wait()
        start = time.perf_counter()
        signal.set()
    return order
