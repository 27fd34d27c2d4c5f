"""Threads: one run for all that want it, no matter how they call one another."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from cb_decorators import cached
from cb_decorators.flight import Flight, _leads_to
from decorators_support import FULL, in_threads, join, until


class Gate:
    """A function that runs until it is let go."""

    def __init__(self, result: Callable[[int], Any] = lambda key: key) -> None:
        self.runs: list[int] = []
        self.go = threading.Event()
        self.result = result

    def __call__(self, key: int) -> Any:
        self.runs.append(key)
        assert self.go.wait(20)
        return self.result(key)


def test_one_run_for_64_threads() -> None:
    """All get the value of one run; the counts add up."""
    gate, results = Gate(), []
    ours = cached(gate)
    threads = in_threads(64, lambda: results.append(ours(1)))
    until(lambda: ours.cache_info().waits == 63)
    gate.go.set()
    join(threads)
    assert (gate.runs, results) == ([1], [1] * 64)
    assert ours.cache_info() == (0, 1, 128, 1, 63)


def test_different_keys_do_not_wait_for_each_other() -> None:
    """Eight keys run at the same time."""
    together = threading.Barrier(8, timeout=20)
    ours = cached(lambda key: together.wait())
    keys = iter(range(8))
    join(in_threads(8, lambda: ours(next(keys))))
    assert ours.cache_info().misses == 8


class Picky(Exception):
    """Cannot be copied: wants two arguments and tells one."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


@pytest.mark.parametrize("make", [lambda: ValueError("no", 5), lambda: Picky("a", "b")])
def test_an_exception_reaches_everyone_and_is_not_kept(make: Callable[[], Exception]) -> None:
    """Each waiter gets it with the traceback of the run that failed, in a copy of its own where it can be copied."""
    error = make()

    def fail(_: int) -> None:
        raise error from KeyError("cause")

    gate, caught = Gate(fail), []
    ours = cached(gate)

    def call() -> None:
        try:
            ours(1)
        except type(error) as one:
            caught.append((one, len(traceback.extract_tb(one.__traceback__))))

    threads = in_threads(6, call)
    until(lambda: ours.cache_info().waits == 5)
    gate.go.set()
    join(threads)
    assert len(caught) == 6
    assert all(one.args == error.args and isinstance(one.__cause__, KeyError) for one, _ in caught)
    if isinstance(error, ValueError):  # what cannot be copied is one instance, whose traceback all of them add to
        assert len({id(one) for one, _ in caught}) == 6
        assert max(length for _, length in caught) <= 10
    with pytest.raises(type(error)):
        ours(1)
    assert gate.runs == [1, 1]


def test_an_interrupted_leader_does_not_interrupt_the_others() -> None:
    """KeyboardInterrupt ends the leader's call; one of those who waited runs in its place."""
    interrupts = iter([True])

    def body(key: int) -> int:
        if next(interrupts, False):
            raise KeyboardInterrupt
        return key

    gate, results = Gate(body), []
    ours = cached(gate)

    def call() -> None:
        try:
            results.append(ours(1))
        except KeyboardInterrupt:
            results.append("interrupted")

    threads = in_threads(5, call)
    until(lambda: ours.cache_info().waits == 4)
    gate.go.set()
    join(threads)
    assert sorted(map(str, results)) == ["1", "1", "1", "1", "interrupted"]
    assert gate.runs == [1, 1]


def test_a_failing_run_overtaken_leaves_nothing() -> None:
    """Its exception reaches its own caller, and does not become the kept exception of the newer run's key."""

    def fail(_: int) -> None:
        raise ValueError("late")

    gate, caught = Gate(fail), []
    ours: Any = cached(errors=(60, ValueError))(gate)

    def call() -> None:
        with pytest.raises(ValueError, match="late"):
            ours(1)
        caught.append(True)

    threads = in_threads(1, call)
    until(lambda: gate.runs == [1])
    ours.put("put", 1)
    gate.go.set()
    join(threads)
    assert (caught, ours(1)) == ([True], "put")


def test_a_wait_is_looked_along_once() -> None:
    """Two ways to the same run are no circle, and do not make the search longer than the graph (white box)."""
    first, middle, last = Flight(), Flight(), Flight()
    first.waits, middle.waits = [middle, middle], [last, last]
    assert not _leads_to(first, (Flight(),))
    assert _leads_to(first, (last,))


@pytest.mark.parametrize("forget", ["invalidate", "clear", "put", "refresh"])
def test_a_run_overtaken_leaves_nothing(forget: str) -> None:
    """Invalidated, cleared, put or refreshed while it runs: the late result is not kept; those who waited get it."""
    versions = iter(["old", "new", "newer"])
    gate, results = Gate(), []

    def body(key: int) -> str:
        version = next(versions)
        gate(key)
        return version

    ours: Any = cached(body)
    threads = in_threads(3, lambda: results.append(ours(1)))
    until(lambda: gate.runs == [1] and ours.cache_info().waits == 2)  # who leads may not have begun when others wait
    if forget == "put":
        ours.put("put", 1)
        assert ours(1) == "put"
    elif forget == "refresh":
        threads += in_threads(1, lambda: results.append(ours.refresh(1)))
        until(lambda: len(gate.runs) == 2)
    else:
        assert not (ours.invalidate(1) if forget == "invalidate" else ours.cache_clear())
    gate.go.set()
    join(threads)
    assert sorted(results) == (["new"] if forget == "refresh" else []) + ["old"] * 3
    assert ours(1) == ("put" if forget == "put" else "new")


def test_a_function_may_call_itself_with_the_same_arguments() -> None:
    """Re-entrance of the same key computes; it does not wait for itself."""
    depth = iter(range(3))

    @cached
    def down(key: str) -> str:
        return "bottom" if next(depth) == 2 else down(key)

    assert down("a") == "bottom"
    assert down.cache_info() == (0, 3, 128, 1, 0)


def test_crossing_keys_finish() -> None:
    """Two threads, each running what the other one needs, both end."""
    both = threading.Barrier(2, timeout=20)
    once = threading.local()

    @cached
    def need(mine: str, other: str) -> str:
        if not hasattr(once, "seen"):
            once.seen = True
            both.wait()
            need(other, mine)
        return mine

    pairs = iter([("a", "b"), ("b", "a")])
    join(in_threads(2, lambda: need(*next(pairs))))
    assert need("a", "b") == "a"


def test_a_ring_of_functions_finishes() -> None:
    """Eight functions in eight threads, each needing the next one's run."""
    size = 8
    all_in = threading.Barrier(size, timeout=20)
    inside = threading.local()
    functions: list[Any] = []

    def make(number: int) -> Any:
        @cached
        def one() -> int:
            if not getattr(inside, "on", False):
                inside.on = True
                all_in.wait()
                functions[(number + 1) % size]()
            return number

        return one

    functions += [make(number) for number in range(size)]
    starts = iter(functions)
    join(in_threads(size, lambda: next(starts)()))  # noqa: PLW0108 - each thread takes its own
    assert [one() for one in functions] == list(range(size))


def test_an_eq_that_calls_the_function_is_no_deadlock() -> None:
    """A key's `__eq__` runs while the cache looks things up, and may call the function itself."""

    class Key:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            ours("inner")
            return False

    ours = cached(lambda key: "done")
    assert [ours(Key()), ours(Key())] == ["done"] * 2


def test_values_are_let_go_of_outside_of_the_lock() -> None:
    """A finaliser of a value that leaves may use the cache, from another thread too."""
    freed: list[bool] = []

    class Value:
        def __del__(self) -> None:
            if sys.is_finalizing():
                return
            threads = in_threads(1, ours.cache_info)
            threads[0].join(10)
            freed.append(not threads[0].is_alive())

    ours = cached(maxsize=1)(lambda key: Value())
    for key in range(3):
        ours(key)
    ours.cache_clear()
    assert freed == [True] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_threads_that_are_not_there() -> None:
    """Forked while a run is under way: the child runs the function itself, and what was kept is there."""
    gate = Gate()
    ours = cached(maxsize=2)(gate)
    ours.put("kept", 5)
    threads = in_threads(1, lambda: ours(1))
    until(lambda: gate.runs == [1])
    child = os.fork()
    if child == 0:  # pragma: no cover # a child that leaves by os._exit
        gate.go = threading.Event()  # the other's lock may be held, for ever, by the thread that waits at it
        gate.go.set()
        os._exit(0 if (ours(1), ours(5), ours(2), ours(3), ours.cache_info().currsize) == (1, "kept", 2, 3, 2) else 1)
    deadline = time.monotonic() + 20
    ended = (0, 0)
    while ended[0] == 0 and time.monotonic() < deadline:
        ended = os.waitpid(child, os.WNOHANG)
    if ended[0] == 0:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    gate.go.set()
    join(threads)
    assert ended == (child, 0)


def test_counts_are_exact_under_threads() -> None:
    """200,000 hits by eight threads that switch as often as they can are 200,000."""
    ours = cached(ttl=60)(lambda key: key)
    ours(1)

    def hit() -> None:
        for _ in range(25_000):
            ours(1)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        join(in_threads(8, hit))
    finally:
        sys.setswitchinterval(before)
    assert ours.cache_info() == (200_000, 1, 128, 1, 0)


@pytest.mark.faults
def test_random_schedules() -> None:
    """Threads calling, invalidating, refreshing and putting at random, in a cache too small, with keys that expire.

    Every value is one that was current at some moment of the call: never older than the last that had been put before
    the call began. 10^6 operations at full count.
    """
    operations = 1_000_000 if FULL else 20_000
    seed = random.randrange(2**32)
    versions = [0] * 6
    guards = [threading.Lock() for _ in versions]

    def body(key: int) -> tuple[int, int]:
        if key and random.random() < 0.1:
            ours(key - 1)
        return key, versions[key]

    ours = cached(maxsize=4, ttl=0.002)(body)
    wrong: list[str] = []

    def work(number: int) -> None:
        chance = random.Random(seed + number)
        for _ in range(operations // 8):
            key = chance.randrange(len(versions))
            what = chance.random()
            if what < 0.05:
                with guards[key]:
                    versions[key] += 1
                    ours.invalidate(key)
            elif what < 0.07:
                ours.refresh(key)
            else:
                with guards[key] if what < 0.3 else threading.Lock():
                    least = versions[key] if what < 0.3 else 0
                    found = ours(key)
                if found[0] != key or found[1] < least:
                    wrong.append(f"seed {seed}: {found} for {key}, at least {least}")

    numbers = iter(range(8))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = in_threads(8, lambda: work(next(numbers)))
        for thread in threads:
            thread.join(1500)
            assert not thread.is_alive(), f"hangs with seed {seed}"
    finally:
        sys.setswitchinterval(before)
    assert not wrong
    assert ours.cache_info().currsize <= 4
