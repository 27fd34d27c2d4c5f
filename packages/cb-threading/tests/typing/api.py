"""The public API, type-checked from outside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import assert_type

from cb_threading import (
    Check,
    Fetch,
    Finish,
    GroupStatistics,
    Handle,
    Job,
    Limiter,
    LimiterStatistics,
    MarketReport,
    Policy,
    Product,
    Progress,
    Report,
    Repository,
    Result,
    Retry,
    RWLock,
    ThreadContext,
    ThreadInfo,
    Timeout,
    TimerService,
    Worker,
    WorkerGroup,
    fetch,
    race,
    run_market,
    spawn,
    thread_info,
    verify,
)


def workers() -> None:
    assert_type(spawn(pow, 2, 3).result(), int)
    worker = Worker(len, "abc", name="w")
    assert_type(worker.result(timeout=1.0), int)
    with WorkerGroup(errors="keep", name="g") as group:
        assert_type(group.start(str, 1), Worker[str])
        assert_type(group.map(len, ["a"], jobs=2), list[int])
    assert_type(group.statistics(), GroupStatistics)
    assert_type(group.stop, threading.Event)


def timers() -> None:
    with TimerService() as service:
        assert_type(service.call_later(1.0, print, "x", end=""), Handle)
        assert_type(service.call_every(1.0, print).cancel(), bool)


def shared() -> None:
    limiter = Limiter(5, fair=False)
    with limiter:
        assert_type(limiter.statistics(), LimiterStatistics)
    rows: Repository[Product] = Repository()
    number = rows.add(Product("a", Decimal(1)))
    assert_type(rows.get(number), Product)
    assert_type(rows.snapshot(), dict[int, Product])
    with rows.transaction() as change:
        change.put(number, change.get(number))
    lock = RWLock(prefer="reader")
    with lock.read(timeout=1.0), lock.write():
        pass
    context = ThreadContext(lambda: 1, close=print)
    assert_type(context.value, int)
    assert_type(context.get(None), int | None)
    assert_type(thread_info(), ThreadInfo)


def games() -> None:
    assert_type(race({"a": lambda: len("a")}), list[Finish[int]])
    assert_type(run_market([Product("a", Decimal(1))], seed=1), MarketReport)


def fetching(out: Path) -> None:
    policy = Policy(per_host=2, delay=0.1, retry=Retry(attempts=2), timeout=Timeout(stall=5.0))
    report = fetch(["http://a/", Job("http://b/", "b.html")], out, policy=policy, resume=True, on_result=print)
    assert_type(report, Report)
    assert_type(report.results, tuple[Result, ...])
    with Fetch(["http://a/"], out) as running:
        for result in running:
            assert_type(result, Result)
        assert_type(running.progress(), Progress)
    assert_type(verify(out), Iterator[Check])
