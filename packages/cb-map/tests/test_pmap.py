"""The parallel map, over every backend that this machine has by itself."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from operator import neg
from pathlib import Path
from typing import Any

import pytest
import work
from cb_map import ItemError, LengthMismatch, Stats, UnpicklableFunction, WorkerDied, pmap
from hypothesis import given, settings
from hypothesis import strategies as st

LOCAL = ["inline", "thread", "process"]
EVERY = [*LOCAL, "threads of an executor", "processes of an executor"]


@pytest.fixture(params=EVERY)
def backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each backend that takes plain functions."""
    if request.param == "threads of an executor":
        with ThreadPoolExecutor(2) as pool:
            yield pool
    elif request.param == "processes of an executor":
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            yield pool
    else:
        yield request.param


def identity(stats: Stats) -> bool:
    """Where every row is."""
    return stats.pulled == stats.done + stats.failed + stats.in_flight and stats.in_flight >= 0


@pytest.mark.parametrize("ordered", [True, False])
def test_every_item_comes_back_once(backend: Any, ordered: bool) -> None:
    """In order where that is asked for, and complete where it is not."""
    results = pmap(neg, range(5000), backend=backend, ordered=ordered, workers=2)
    found = list(results)
    assert (found if ordered else sorted(found, reverse=True)) == [-x for x in range(5000)]
    stats = results.stats()
    assert (stats.pulled, stats.done, stats.failed, stats.in_flight) == (5000, 5000, 0, 0)
    assert stats.rate > 0


def test_several_iterables_side_by_side(backend: Any) -> None:
    """The lengths are treated as `imap` does."""
    assert list(pmap(work.multiply, [1, 2, 3], [4, 5], backend=backend)) == [4, 10]
    longest = pmap(work.multiply, [1, 2, 3], [4, 5], backend=backend, mode="longest", fill=0, errors="raise")
    assert list(longest) == [4, 10, 0]
    strict = pmap(work.multiply, [1, 2, 3], [4, 5], backend=backend, mode="strict")
    assert [next(strict), next(strict)] == [4, 10]
    with pytest.raises(LengthMismatch):
        next(strict)


@pytest.mark.parametrize("fn", [work.raises, work.stops, work.exits])
def test_an_error_comes_after_all_results_before_it(backend: Any, fn: Callable[[int], int]) -> None:
    """It names the item and carries the cause, with the traceback of the worker."""
    results = pmap(fn, range(200), backend=backend)
    assert [next(results) for _ in range(50)] == list(range(50))
    with pytest.raises(ItemError) as caught:
        next(results)
    error = caught.value
    assert (error.index, error.args_) == (50, (50,))
    assert isinstance(error.__cause__, ValueError | RuntimeError | SystemExit)
    if fn is work.raises:
        assert "in raises" in "".join(error.__cause__.__notes__)
    assert identity(results.stats())
    assert list(results) == []


@pytest.mark.parametrize("chunk", [1, 7, "auto"])
def test_errors_are_skipped_returned_or_replaced(backend: Any, chunk: Any) -> None:
    """The other 199 results come, in their places."""
    options: dict[str, Any] = {"backend": backend, "chunk": chunk}
    others = [x for x in range(200) if x != 50]
    assert list(pmap(work.raises, range(200), errors="skip", **options)) == others
    returned = pmap(work.raises, range(200), errors="return", **options)
    found: list[Any] = list(returned)
    assert isinstance(found[50], ItemError)
    assert found[:50] + found[51:] == others
    assert (returned.stats().done, returned.stats().failed) == (199, 1)
    replaced = list(pmap(work.raises, range(200), errors=lambda error: -error.index, **options))
    assert replaced == [*range(50), -50, *range(51, 200)]


def test_an_error_of_the_input_comes_after_the_results_before_it(backend: Any) -> None:
    """A generator that breaks off loses nothing that it had given."""

    def source() -> Iterator[int]:
        yield from range(10)
        raise OSError("disk on fire")

    results = pmap(work.add_one, source(), backend=backend)
    assert [next(results) for _ in range(10)] == list(range(1, 11))
    with pytest.raises(OSError, match="disk on fire"):
        next(results)


def test_retries_call_again(backend: Any, tmp_path: Path) -> None:
    """An item that fails once is fine with one retry, and counted."""
    results = pmap(work.fails_first, range(20), [str(tmp_path)] * 20, backend=backend, retries=1)
    assert list(results) == list(range(20))
    assert results.stats().retried == 20


def test_retries_end(backend: Any) -> None:
    """The last error is the one that is reported, StopIteration's substitute and SystemExit too."""
    for fn in (work.raises, work.stops, work.exits):
        (error,) = pmap(fn, [50], backend=backend, retries=2, errors="return")
        assert isinstance(error, ItemError)


@pytest.mark.parametrize("kind", ["thread", "process"])
@pytest.mark.parametrize("retries", [0, 1])
def test_an_interrupt_that_nobody_pressed_is_that_items_failure(kind: str, retries: int) -> None:
    """Ctrl-C reaches the caller only; what a worker raises is the function's own, and the worker lives on."""
    found: list[Any] = list(pmap(work.interrupts, range(49, 52), backend=kind, retries=retries, errors="return"))
    assert isinstance(found[1].__cause__, KeyboardInterrupt)
    assert [found[0], found[2]] == [49, 51]


def test_no_more_is_taken_than_the_buffer_allows(backend: Any) -> None:
    """A consumer that pauses pauses the input."""
    taken: list[int] = []

    def source() -> Iterator[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    with pmap(work.add_one, source(), backend=backend, buffer=10, workers=2) as results:
        for expected in range(1, 101):
            assert next(results) == expected
            assert len(taken) <= expected + 10
    assert results.stats().pulled == len(taken)


def test_little_is_taken_before_the_first_result() -> None:
    """As early as item by item: a handful for two workers."""
    results = pmap(work.add_one, itertools.count(), backend="thread", workers=2)
    next(results)
    assert results.stats().pulled <= 16
    results.close()


def test_an_infinite_input_that_is_abandoned_leaves_nothing_behind(backend: Any) -> None:
    """Leaving the loop ends the workers, without a word to say so."""
    before = set(multiprocessing.active_children())
    for result in pmap(work.add_one, itertools.count(), backend=backend):
        if result == 5:
            break
    gc.collect()
    if isinstance(backend, str):
        assert set(multiprocessing.active_children()) <= before


def test_a_closed_map_has_no_more_results(backend: Any) -> None:
    """close() can be called at any time, and again."""
    with pmap(work.add_one, itertools.count(), backend=backend) as results:
        assert next(results) == 1
    assert list(results) == []
    results.close()
    unused = pmap(work.add_one, itertools.count(), backend=backend)
    unused.close()
    assert list(unused) == []


def test_progress_is_told_and_ends_with_all() -> None:
    """The last call has everything."""
    told: list[Stats] = []
    assert list(pmap(neg, range(1000), progress=told.append)) == [-x for x in range(1000)]
    assert told[-1].done == 1000
    assert all(map(identity, told))


@pytest.mark.parametrize("backend", ["thread", "process"])
def test_an_item_that_hangs_is_given_up(backend: Any) -> None:
    """Exactly that one, and its worker is replaced."""
    results = pmap(work.hangs, range(40, 60), backend=backend, timeout=2, errors="return", workers=2)
    found: list[Any] = list(results)
    assert isinstance(found[10], ItemError)
    assert isinstance(found[10].__cause__, TimeoutError)
    assert found[:10] + found[11:] == [x for x in range(40, 60) if x != 50]


@pytest.mark.parametrize("backend", ["thread", "process"])
def test_an_item_that_hangs_once_is_tried_again(backend: Any, tmp_path: Path) -> None:
    """Retries count for time-outs too."""
    results = pmap(work.hangs_first, range(40, 60), [str(tmp_path)] * 20, backend=backend, timeout=2, retries=1)
    assert list(results) == list(range(40, 60))
    assert results.stats().retried == 1


def test_an_executors_item_that_hangs_is_given_up() -> None:
    """The executor's own thread stays busy; the others go on."""
    free = threading.Event()

    def waits(x: int) -> int:
        if x == 3:
            free.wait()
        return x

    with ThreadPoolExecutor(2) as pool:
        found: list[Any] = list(pmap(waits, range(10), backend=pool, timeout=2, errors="return"))
        free.set()
    assert [one for one in found if not isinstance(one, ItemError)] == [0, 1, 2, *range(4, 10)]


def test_workers_are_other_processes() -> None:
    """As many as asked for, and none is this one."""
    import os

    pids = set(pmap(work.pid_of, range(100), backend="process", workers=2, chunk=1))
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2


def test_a_function_that_cannot_be_pickled_is_said_before_any_worker_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the call, with what to do; with cloudpickle lambdas can be sent."""
    lock = threading.Lock()
    before = multiprocessing.active_children()
    with pytest.raises(UnpicklableFunction, match="define it at the top of a module"):
        pmap(lambda x: (lock, x), [1], backend="process")
    assert multiprocessing.active_children() == before
    assert list(pmap(lambda x: x + 1, [1, 2], backend="process")) == [2, 3]
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(UnpicklableFunction, match=r"pip install 'cb-map\[lambda\]'"):
        pmap(lambda x: x, [1], backend="process")


class FailsToLoad:
    """A function that pickles, and is an error where it is loaded."""

    def __reduce__(self) -> Any:
        return __import__, ("no_such_module_anywhere",)

    def __call__(self, x: int) -> int:
        return x


@pytest.mark.parametrize("kind", ["process", "processes of an executor"])
def test_a_function_that_a_worker_cannot_load_is_said(kind: str) -> None:
    """Once, for all items, whatever the policy: no item would fare better."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        backend: Any = pool if kind != "process" else "process"
        results = pmap(FailsToLoad(), range(10), backend=backend, errors="skip")
        with pytest.raises(UnpicklableFunction, match="no_such_module_anywhere"):
            next(results)


@pytest.mark.parametrize("kind", ["process", "processes of an executor"])
def test_what_cannot_be_sent_is_that_items_failure(kind: str) -> None:
    """An argument, a result, an exception: the others come."""
    items: list[Any] = [0, 1, threading.Lock(), 3]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        backend: Any = pool if kind != "process" else "process"
        options: dict[str, Any] = {"backend": backend, "errors": "return", "chunk": 4}
        arguments: list[Any] = list(pmap(str, items, **options))
        results: list[Any] = list(pmap(work.gives_lock, range(5), **options))
        odd: list[Any] = list(pmap(work.raises_only_here, range(5), **options))
        unpicklable: list[Any] = list(pmap(work.raises_unpicklable, range(5), **options))
    assert [str(one) for one in arguments[:2]] + [arguments[3]] == ["0", "1", "3"]
    assert "cannot be sent to another process" in str(arguments[2])
    assert "the result cannot be sent back" in str(results[3])
    assert results[4] == 4
    assert "OnlyHere: 1 and 2" in str(odd[3])
    assert odd[4] == 4
    assert "KeyError" in str(unpicklable[3])


class Arrives:
    """Pickles here and cannot be loaded elsewhere."""

    def __reduce__(self) -> Any:
        return __import__, ("no_such_module_anywhere",)


def test_an_argument_that_cannot_be_loaded_is_that_items_failure() -> None:
    """It is found out in the worker; the others come."""
    items: list[Any] = [1, Arrives(), 3]
    found: list[Any] = list(pmap(str, items, backend="process", errors="return", chunk=3))
    assert [found[0], found[2]] == ["1", "3"]
    assert "cannot be loaded in a worker" in str(found[1])


def test_large_items_pass_through_processes() -> None:
    """Larger than any pipe, both ways at once, without a deadlock."""
    items = [bytes([x]) * 3_000_000 for x in range(20)]
    assert list(pmap(bytes, items, backend="process", workers=2, chunk=2)) == items


def test_an_executor_that_is_shut_down_is_said() -> None:
    """Not a hang, and not one error an item."""
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="takes no more work"):
        list(pmap(neg, [1, 2], backend=pool))


def test_errors_survive_pickling() -> None:
    """With their cause: they travel between processes themselves."""
    (error,) = pmap(work.raises, [50], errors="return")
    copy: Any = pickle.loads(pickle.dumps(error))
    assert (copy.index, copy.args_, str(copy)) == (0, (50,), str(error))
    assert isinstance(copy.__cause__, ValueError)
    assert isinstance(pickle.loads(pickle.dumps(WorkerDied("gone"))), WorkerDied)


class BadRepr:
    """Its repr raises."""

    def __repr__(self) -> str:
        raise ValueError("no")


def test_an_argument_with_a_broken_repr_does_not_hide_the_error() -> None:
    """The message says so in its place; long ones are cut."""
    anything: Any = int
    (error,) = pmap(anything, [BadRepr()], errors="return")
    assert "BadRepr, whose repr raised ValueError" in str(error)
    (error,) = pmap(anything, ["x" * 500], errors="return")
    assert "..." in str(error)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"backend": "carrier pigeon"}, "choose 'thread'"),
        ({"workers": 0}, "workers is 0"),
        ({"buffer": 0}, "buffer is 0"),
        ({"retries": -1}, "retries is -1"),
        ({"timeout": 0}, "timeout is 0"),
        ({"chunk": 0}, "chunk is 0"),
        ({"timeout": 1, "chunk": 5}, "leave chunk out"),
        ({"timeout": 1, "backend": "inline"}, "another backend"),
        ({"errors": "ignore"}, "choose raise, skip, return"),
        ({"mode": "widest"}, "choose shortest, longest or strict"),
    ],
)
def test_options_that_cannot_be_are_refused_at_the_call(options: dict[str, Any], match: str) -> None:
    """With what to choose instead."""
    with pytest.raises(ValueError, match=match):
        pmap(neg, [1], **options)


def test_calls_that_cannot_be_are_refused_at_the_call() -> None:
    """No function, no iterables, no coroutine."""
    call: Any = pmap
    with pytest.raises(TypeError, match="the first argument is the function"):
        call(7, [1])
    with pytest.raises(TypeError, match="at least one iterable"):
        call(neg)
    with pytest.raises(TypeError, match="wants a coroutine function"):
        call(neg, [1], backend="async")
    for backend in ("inline", "thread", "process", "ray"):
        with pytest.raises(TypeError, match=r"is a coroutine function \(use backend='async'\)"):
            call(work.slept, [1], backend=backend)
    with pytest.raises(TypeError, match="surprise"):
        call(neg, [1], surprise=1)


@settings(max_examples=60, deadline=None)
@given(
    items=st.lists(st.integers(0, 99), max_size=60),
    bad=st.integers(0, 99),
    chunk=st.one_of(st.just("auto"), st.integers(1, 9)),
    buffer=st.one_of(st.none(), st.integers(1, 20)),
    workers=st.integers(1, 3),
)
def test_nothing_is_lost_whatever_the_options(
    items: list[int], bad: int, chunk: Any, buffer: int | None, workers: int
) -> None:
    """Every input is a result or a failure, in its place."""

    def fn(x: int) -> int:
        if x == bad:
            raise ValueError(x)
        return -x

    results = pmap(fn, items, chunk=chunk, buffer=buffer, workers=workers, errors="return")
    found = [one.args_[0] if isinstance(one, ItemError) else -one for one in results]
    assert found == items
    stats = results.stats()
    assert (stats.done, stats.failed) == (len(items) - items.count(bad), items.count(bad))


def test_a_fork_is_only_made_where_it_is_safe() -> None:
    """One thread: fork, at once; more: a start method that does not copy locks."""
    program = (
        "import threading; from cb_map.processes import context;"
        "one = context().get_start_method();"
        "threading.Thread(target=threading.Event().wait, daemon=True).start();"
        "print(one, context().get_start_method())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    expected = "fork forkserver" if sys.platform == "linux" else "forkserver forkserver"
    assert done.stdout.split() == expected.split()


def test_forked_workers_give_the_same_results() -> None:
    """In a program of one thread, as most scripts are."""
    program = (
        "import work; from cb_map import pmap;"
        "assert list(pmap(work.add_one, range(20000), backend='process', workers=2)) == list(range(1, 20001));"
        "found = list(pmap(work.dies, range(200), backend='process', workers=3, errors='skip'));"
        "assert len(found) == 199, len(found)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
