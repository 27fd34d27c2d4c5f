"""`apmap`, and coroutines under `pmap`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from operator import neg
from typing import Any

import pytest
import work
from cb_map import ItemError, apmap, pmap


async def numbers(count: int) -> AsyncIterator[int]:
    """An asynchronous input."""
    for number in range(count):
        await asyncio.sleep(0)
        yield number


@pytest.mark.parametrize("ordered", [True, False])
def test_coroutines_run_under_pmap(ordered: bool) -> None:
    """In a loop of their own, from a program that has none."""
    found = list(pmap(work.slept, range(300), backend="async", ordered=ordered))
    assert sorted(found) == list(range(300))


@pytest.mark.parametrize("fn", [work.a_raises, work.a_stops, work.a_exits, work.a_interrupts])
def test_a_coroutines_error_is_an_items_error(fn: Any) -> None:
    """Python turns a coroutine's StopIteration into a RuntimeError, and ends a loop at an exit; the item is named."""
    found: list[Any] = list(pmap(fn, range(200), backend="async", errors="return"))
    assert isinstance(found[50], ItemError)
    assert found[:50] + found[51:] == [x for x in range(200) if x != 50]


def test_coroutines_are_tried_again() -> None:
    """As often as asked."""
    calls = itertools.count()

    async def second_time(x: int) -> int:
        if next(calls) == 0:
            raise ConnectionError
        return x

    results = pmap(second_time, [7], backend="async", retries=1)
    assert list(results) == [7]
    assert results.stats().retried == 1


def test_a_coroutine_that_hangs_is_cancelled() -> None:
    """And reported as a time-out."""
    found: list[Any] = list(pmap(work.a_hangs, range(100), backend="async", timeout=2, errors="return"))
    assert isinstance(found[50].__cause__, TimeoutError)
    assert found[:50] + found[51:] == [x for x in range(100) if x != 50]


def test_abandoned_coroutines_are_cancelled() -> None:
    """They see it: their `finally` runs."""
    ended: list[int] = []

    async def waits(x: int) -> int:
        try:
            if x:
                await asyncio.Event().wait()
        finally:
            ended.append(x)
        return x

    with pmap(waits, range(10), backend="async") as results:
        assert next(results) == 0
    assert sorted(ended) == list(range(10))


def test_apmap_gives_results_in_order() -> None:
    """From plain and from asynchronous inputs, several of them too."""

    async def both(x: int, y: int) -> int:
        return x * y

    async def main() -> None:
        assert [one async for one in apmap(work.slept, range(300))] == list(range(300))
        assert [one async for one in apmap(work.slept, numbers(100))] == list(range(100))
        assert [one async for one in apmap(both, numbers(5), range(9))] == [0, 1, 4, 9, 16]

    asyncio.run(main())


@pytest.mark.parametrize("backend", ["thread", "process", "inline"])
def test_apmap_runs_functions_beside_the_loop(backend: Any) -> None:
    """With any backend of `pmap`; the loop goes on meanwhile."""

    async def main() -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        ticking = asyncio.create_task(tick())
        assert [one async for one in apmap(neg, range(300), backend=backend)] == [-x for x in range(300)]
        ticking.cancel()
        assert ticks > 1

    asyncio.run(main())


def test_apmap_raises_and_returns_errors() -> None:
    """The policies of `pmap`; after the error there is nothing more."""

    async def main() -> None:
        results = apmap(work.a_raises, range(200))
        found: list[Any] = []
        for _ in range(50):
            found.append(await anext(results))  # noqa: PERF401
        assert found == list(range(50))
        with pytest.raises(ItemError, match="item 50"):
            await anext(results)
        kept = [one async for one in apmap(work.a_raises, range(200), errors="return")]
        assert len(kept) == 200
        await results.aclose()

    asyncio.run(main())


def test_leaving_early_ends_what_runs() -> None:
    """An infinite input, abandoned: no task is left behind, and the input is closed."""
    closed: list[bool] = []

    async def endless() -> AsyncIterator[int]:
        try:
            for number in itertools.count():
                yield number
        finally:
            closed.append(True)

    async def main() -> None:
        async with apmap(work.slept, endless()) as results:
            async for one in results:
                if one == 5:
                    break
        assert results.stats().done >= 6
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert [one async for one in results] == []

    asyncio.run(main())


def test_a_cancelled_consumer_ends_what_runs() -> None:
    """The task that waits for a result is cancelled: so are the coroutines, and the input that keeps one waiting."""

    async def forever(_: int) -> int:
        await asyncio.Event().wait()
        return 0

    async def silent() -> AsyncIterator[int]:
        await asyncio.Event().wait()
        yield 0

    async def consume(results: Any) -> None:
        async for _ in results:
            pass

    async def main() -> None:
        for results in (apmap(forever, range(10)), apmap(work.slept, silent())):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await consume(results)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
