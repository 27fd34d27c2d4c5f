"""One thread and a heap for all timers."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from cb_threading import TimerService


def test_timers_run_in_the_order_of_their_times() -> None:
    """Whatever the order in which they were set; in one thread."""
    ran: list[tuple[str, str]] = []
    blocked, go, done = threading.Event(), threading.Event(), threading.Event()

    def run(name: str) -> None:
        ran.append((name, threading.current_thread().name))

    def block() -> None:
        blocked.set()
        go.wait(30)

    with TimerService(name="clock") as timers:
        timers.call_later(0, block)  # until all are set
        assert blocked.wait(30)
        for overdue, name in ((10, "third"), (20, "second"), (30, "first")):
            timers.call_later(-overdue, run, name)
        timers.call_later(0, done.set)
        go.set()
        assert done.wait(30)
    assert [name for name, _ in ran] == ["first", "second", "third"]
    assert {thread for _, thread in ran} == {"clock"}


def test_cancel_tells_whether_it_came_in_time() -> None:
    """True once; False for what ran, is running, or was taken back before."""
    ran = threading.Event()
    with TimerService() as timers:
        late = timers.call_later(3600, ran.set)
        assert late.pending
        assert late.cancel() is True
        assert late.cancel() is False
        early = timers.call_later(0, ran.set)
        assert ran.wait(30)
        assert early.cancel() is False
        assert not early.pending
        statistics = timers.statistics()
    assert (statistics.pending, statistics.fired, statistics.cancelled) == (0, 1, 1)
    assert statistics.latest >= 0


def test_an_earlier_timer_is_not_kept_by_a_later_one() -> None:
    """The thread waits for the new first one."""
    ran = threading.Event()
    with TimerService() as timers:
        timers.call_later(3600, ran.clear)
        timers.call_later(0.01, ran.set)
        assert ran.wait(30)


def test_every_runs_again_until_it_is_cancelled() -> None:
    """The function may cancel its own timer."""
    beats = threading.Semaphore(0)
    with TimerService() as timers:
        handle = timers.call_every(0.001, beats.release)
        for _ in range(5):
            assert beats.acquire(timeout=30)
        assert handle.cancel() is True
    with TimerService() as timers, pytest.raises(ValueError, match="more than 0"):
        timers.call_every(0, beats.release)


def test_an_exception_costs_no_other_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes to threading.excepthook."""
    told: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_value))
    done = threading.Event()
    with TimerService() as timers:
        timers.call_later(0, int, "x")
        timers.call_later(0.001, done.set)
        assert done.wait(30)
    assert [type(error) for error in told] == [ValueError]


def test_memory_follows_the_timers_that_are_alive(eventually: Callable[..., None]) -> None:
    """The places of cancelled timers are taken back; one thread serves 10,000."""
    name = f"timers of {threading.get_ident()}"
    with TimerService(name=name) as timers:
        handles = [timers.call_later(3600, int) for _ in range(10_000)]
        assert [thread.name for thread in threading.enumerate()].count(name) == 1
        for handle in handles[:9_990]:
            handle.cancel()
        assert timers.statistics().pending == 10
        assert len(timers._heap) < 200  # white box: the promise of the module's first lines
        for handle in handles[9_990:]:
            handle.cancel()
        soon = threading.Event()
        timers.call_later(0.001, soon.set)
        assert soon.wait(30)
        eventually(lambda: timers.statistics().pending == 0, "no timer to be left")


def test_closed_timers_run_no_more() -> None:
    """What waits is dropped, the thread ends, a new timer is refused; a timer's own function may close."""
    timers = TimerService()
    timers.close()
    with pytest.raises(RuntimeError, match="closed"):
        timers.call_later(0, int)
    name = f"closed by {threading.get_ident()}"
    timers = TimerService(name=name)
    ended = threading.Event()

    def close() -> None:
        timers.close()
        ended.set()

    timers.call_later(0, close)
    assert ended.wait(30)
    timers.close()
    assert all(thread.name != name for thread in threading.enumerate())
