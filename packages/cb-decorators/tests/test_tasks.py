"""Coroutine functions: one run for all tasks, whoever is cancelled, in however many event loops."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cb_decorators import cached
from decorators_support import Clock, in_threads, join, until


class Gate:
    """A coroutine function's body that waits until it is let go."""

    def __init__(self) -> None:
        self.runs: list[object] = []
        self.go = asyncio.Event()
        self.ended: list[str] = []

    async def __call__(self, key: object) -> object:
        self.runs.append(key)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.ended.append("cancelled")
            raise
        self.ended.append("done")
        return key


async def happening(condition: Callable[[], object]) -> None:
    """Return when *condition* holds, by whatever task or thread: :func:`until` for a coroutine."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)


async def waiting(ours: Any, count: int) -> None:
    """Return when *count* callers wait."""
    await happening(lambda: ours.cache_info().waits >= count)


def test_it_is_a_coroutine_function() -> None:
    """`inspect` says so of what is made of a coroutine function, a partial of one, an async `__call__`."""
    assert inspect.iscoroutinefunction(cached(Gate()))


def test_one_run_for_10000_tasks() -> None:
    """All get the value of one run."""

    async def main() -> None:
        gate = Gate()
        ours = cached(gate)
        tasks = [asyncio.create_task(ours(1)) for _ in range(10_000)]
        await waiting(ours, 9_999)
        gate.go.set()
        assert await asyncio.gather(*tasks) == [1] * 10_000
        assert await ours(1) == 1
        assert ours.cache_info() == (1, 1, 128, 1, 9_999)

    asyncio.run(main())


@pytest.mark.parametrize("who", [0, 1, 2])
def test_a_cancelled_caller_hurts_nobody(who: int) -> None:
    """The leader or any other: the rest get the value of the one run."""

    async def main() -> None:
        gate = Gate()
        ours = cached(gate)
        tasks = [asyncio.create_task(ours("key")) for _ in range(3)]
        await waiting(ours, 2)
        tasks[who].cancel()
        await asyncio.wait([tasks[who]])
        assert tasks[who].cancelled()
        gate.go.set()
        rest = [task for task in tasks if task is not tasks[who]]
        assert await asyncio.gather(*rest) == ["key"] * 2
        assert (gate.runs, gate.ended, ours.contains("key")) == (["key"], ["done"], True)

    asyncio.run(main())


def test_the_run_is_cancelled_with_the_last_who_wants_it() -> None:
    """And has cleaned up when the last caller's own cancellation is through; the next call runs again."""

    async def main() -> None:
        gate = Gate()
        ours = cached(gate)
        tasks = [asyncio.create_task(ours(1)) for _ in range(3)]
        await waiting(ours, 2)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert gate.ended == ["cancelled"]
        gate.go.set()
        assert await ours(1) == 1
        assert len(gate.runs) == 2

    asyncio.run(main())


def test_a_time_out_is_the_callers_own() -> None:
    """`asyncio.timeout` around one call ends that call only."""

    async def main() -> None:
        gate = Gate()
        ours = cached(gate)
        patient = asyncio.create_task(ours(1))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await ours(1)
        gate.go.set()
        assert await patient == 1

    asyncio.run(main())


def test_an_exception_reaches_everyone() -> None:
    """Each its own copy; nothing is kept, and nothing is said of exceptions never retrieved."""

    async def main() -> None:
        go = asyncio.Event()

        @cached
        async def fails(key: int) -> None:
            await go.wait()
            raise ValueError(key)

        tasks = [asyncio.create_task(fails(1)) for _ in range(5)]
        await waiting(fails, 4)
        go.set()
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert [getattr(error, "args", None) for error in errors] == [(1,)] * 5
        assert len({id(error) for error in errors}) == 5
        with pytest.raises(ValueError, match="1"):
            await fails(1)
        assert fails.cache_info().misses == 2

    asyncio.run(main())
    gc.collect()


def test_a_function_that_cancels_itself() -> None:
    """Its callers see CancelledError, as without the decorator; nobody runs it for ever."""

    async def main() -> None:
        @cached
        async def gives_up(key: int) -> None:
            raise asyncio.CancelledError

        outcomes = await asyncio.gather(*(gives_up(1) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in outcomes] == [asyncio.CancelledError] * 3
        assert gives_up.cache_info().misses <= 3

    asyncio.run(main())


def test_calls_that_need_each_other_finish() -> None:
    """Crossing keys in two tasks, and a run that gathers its own key in child tasks."""

    async def main() -> None:
        both = asyncio.Barrier(2)
        seen: set[str] = set()

        @cached
        async def need(mine: str, other: str) -> str:
            if mine not in seen:
                seen.add(mine)
                await both.wait()
                await need(other, mine)
            return mine

        assert await asyncio.gather(need("a", "b"), need("b", "a")) == ["a", "b"]
        first = iter([True])

        @cached
        async def fan_out(key: int) -> int:
            if next(first, False):
                return sum(await asyncio.gather(fan_out(key), fan_out(key), fan_out(key + 1)))
            return key

        assert await fan_out(1) == 4

    asyncio.run(asyncio.wait_for(main(), 20))


def test_two_event_loops_share_a_run() -> None:
    """A task of one loop waits for the run in another thread's loop, and does not block its own meanwhile."""
    go, results = threading.Event(), []

    @cached
    async def slow(key: int) -> int:
        await happening(go.is_set)
        return key

    async def beside() -> int:
        task = asyncio.create_task(slow(1))
        await waiting(slow, 1)
        assert not task.done()
        go.set()
        return await task

    threads = in_threads(1, lambda: results.append(asyncio.run(slow(1))))
    until(lambda: slow.cache_info().misses == 1)
    results.append(asyncio.run(beside()))
    join(threads)
    assert results == [1, 1]
    assert slow.cache_info() == (0, 1, 128, 1, 1)


def test_a_loop_that_ends_takes_nobody_along() -> None:
    """The leader's loop is closed in the middle of the run: who waits elsewhere, or comes later, runs it."""
    gates: list[Callable[[], Awaitable[object]]] = [asyncio.Event().wait]
    closing = asyncio.new_event_loop()

    @cached
    async def ours(key: int) -> int:
        if gates:
            await gates.pop()()
        return key

    leader = closing.create_task(ours(1))
    closing.run_until_complete(asyncio.sleep(0))
    closing.run_until_complete(asyncio.sleep(0))
    assert ours.cache_info().misses == 1
    results: list[int] = []
    threads = in_threads(1, lambda: results.append(asyncio.run(ours(1))))
    until(lambda: ours.cache_info().waits == 1)
    tasks = asyncio.all_tasks(closing)
    closing.close()
    join(threads)
    assert results == [1]
    assert asyncio.run(ours(1)) == 1
    assert ours.cache_info().misses == 2
    for task in tasks | {leader}:
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_coming_to_a_loop_that_is_closed() -> None:
    """A run left behind in a closed loop is not waited for."""
    forever = [True]
    closing = asyncio.new_event_loop()

    @cached
    async def ours(key: int) -> int:
        if forever:
            await asyncio.Event().wait()
        return key

    leader = closing.create_task(ours(1))
    closing.run_until_complete(asyncio.sleep(0))
    tasks = asyncio.all_tasks(closing)
    closing.close()
    forever.clear()
    assert asyncio.run(ours(1)) == 1
    for task in tasks | {leader}:
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_options_work_on_coroutine_functions(clock: Clock) -> None:
    """ttl, stale, errors, copy, refresh, put, on_miss."""
    runs: list[object] = []

    @cached(ttl=10, stale=5, errors=(3, KeyError), copy=list, on_miss=lambda call: runs.append(call.args), clock=clock)
    async def load(key: str) -> list[int]:
        if key == "bad":
            raise KeyError(key)
        return [len(runs)]

    async def main() -> None:
        assert [await load("a"), await load("a")] == [[1], [1]]
        (await load("a")).append(9)
        assert await load.refresh("a") == [2]
        clock.now += 12
        assert await load("a") == [3]
        for _ in range(2):
            with pytest.raises(KeyError):
                await load("bad")
        load.put([7], "b")
        assert await load("b") == [7]
        assert runs == [("a",)] * 3 + [("bad",)]

    asyncio.run(main())


def test_stale_results_are_for_others(clock: Clock) -> None:
    """While one task makes a new result, the others get the old one at once."""

    async def main() -> None:
        gate = Gate()
        gate.go.set()
        ours = cached(ttl=10, stale=5, clock=clock)(gate)
        await ours(1)
        clock.now += 12
        gate.go.clear()
        maker = asyncio.create_task(ours(1))
        await asyncio.sleep(0)
        assert await ours(1) == 1
        assert not maker.done()
        gate.go.set()
        await maker
        assert gate.runs == [1, 1]

    asyncio.run(main())


def test_the_last_who_wants_it_may_be_in_another_loop() -> None:
    """Its cancellation ends the run in the loop where that is."""
    ended: list[str] = []
    alone = threading.Event()

    @cached
    async def slow(key: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async def leading() -> None:
        task = asyncio.create_task(slow(1))
        await waiting(slow, 1)
        task.cancel()
        await asyncio.wait([task])
        assert ended == []
        alone.set()
        await happening(lambda: ended)

    async def last() -> None:
        task = asyncio.create_task(slow(1))
        await happening(alone.is_set)
        task.cancel()
        await asyncio.wait([task])

    threads = in_threads(1, lambda: asyncio.run(leading()))
    until(lambda: slow.cache_info().misses == 1)
    asyncio.run(last())
    join(threads)
    assert ended == ["ended"]


def test_interrupting_a_loop_takes_no_run_along() -> None:
    """KeyboardInterrupt inside the run ends its loop; the next call, in a new one, runs again."""
    interrupts = [True]

    @cached
    async def ours(key: int) -> int:
        if interrupts:
            interrupts.pop()
            raise KeyboardInterrupt
        return key

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(ours(1))
    assert asyncio.run(ours(1)) == 1
