"""``timed``: what is measured, what is said, and how it is reported."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import logging
import random
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from cb_decorators import TOOK, DecoratorError, Timings, timed
from cb_decorators.stats import Stats
from decorators_support import in_threads, join
from hypothesis import given
from hypothesis import strategies as st


def only(timings: Timings) -> Any:
    """The one summary there is."""
    (summary,) = timings.stats()
    return summary


def test_calls_are_counted_and_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """By default times are added up under module and qualified name, failures too."""
    timings = Timings()

    @timings
    def divide(a: int, b: int = 1) -> float:
        return a / b

    assert divide(4, b=2) == 2
    with pytest.raises(ZeroDivisionError):
        divide(1, 0)
    summary = only(timings)
    assert summary.name == f"{__name__}.test_calls_are_counted_and_nothing_is_said.<locals>.divide"
    assert (summary.calls, summary.failures) == (2, 1)
    assert 0 < summary.min <= summary.p50 <= summary.p90 <= summary.p99 <= summary.max <= summary.total
    assert summary.mean == pytest.approx(summary.total / 2)
    assert capsys.readouterr() == ("", "")


def test_counts_are_exact_under_threads() -> None:
    """80,000 calls in eight threads that switch as often as they can are 80,000."""
    timings = Timings()
    work = timings("work")(lambda: None)

    def call() -> None:
        for _ in range(10_000):
            work()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = in_threads(8, call)
        for _ in range(100):
            timings.stats()
        join(threads)
    finally:
        sys.setswitchinterval(before)
    assert only(timings).calls == 80_000


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=2000))
def test_percentiles_are_within_four_percent(times: list[int]) -> None:
    """Of the exact ones; count, total, least and most are exact."""
    stats = Stats("x")
    for spent in times:
        stats.add(spent / 1e9)
        if random.random() < 0.01:
            stats.fold()
    summary, times = stats.summary(), sorted(times)
    assert (summary.calls, summary.min, summary.max) == (len(times), times[0] / 1e9, times[-1] / 1e9)
    assert summary.total == pytest.approx(sum(times) / 1e9)
    for percent in (50, 90, 99):
        exact = times[max(0, -(-len(times) * percent // 100) - 1)] / 1e9
        assert getattr(summary, f"p{percent}") == pytest.approx(exact, rel=0.04, abs=1e-9)


def test_memory_stays_the_same() -> None:
    """However many calls and blocks: a few hundred times wait, and the histogram has few buckets."""
    timings = Timings()
    work = timings("work")(lambda: None)
    for _ in range(5000):
        work()
        with timings("work"):
            pass
    assert len(timings.stats_of("work").samples) < 512
    assert len(timings.stats_of("work")._histogram) < 200


def test_recursion_counts_each_call() -> None:
    """Each with its own start."""
    timings = Timings()

    @timings("down")
    def down(number: int) -> int:
        return number and down(number - 1)

    down(9)
    assert only(timings).calls == 10


def test_generators_are_timed_while_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent, thrown and returned goes through; one call, without its consumer's time; also when left early."""
    timings, now = Timings(), [0.0]
    monkeypatch.setattr("cb_decorators.delegation.perf_counter", lambda: now[0])

    @timings("numbers")
    def numbers(count: int) -> Iterator[Any]:
        got = []
        for number in range(count):
            now[0] += 10.0
            try:
                got.append((yield number))
            except KeyError as error:
                got.append(error.args[0])
        return got

    assert inspect.isgeneratorfunction(numbers)
    one: Any = numbers(3)
    assert [next(one), one.send("a"), one.throw(KeyError("b"))] == [0, 1, 2]
    with pytest.raises(StopIteration) as stop:
        one.send("c")
    assert stop.value.value == ["a", "b", "c"]
    assert only(timings).calls == 1
    left = numbers(2)
    next(left)
    now[0] += 1_000_000.0
    left.close()  # type: ignore[attr-defined]
    broken: Any = numbers(2)
    next(broken)
    with pytest.raises(ValueError, match="x"):
        broken.throw(ValueError("x"))
    summary = only(timings)
    assert (summary.calls, summary.failures) == (3, 1)
    assert (summary.max, summary.min) == (30, 10)


def test_asynchronous_generators() -> None:
    """The same, with awaits."""
    timings = Timings()

    @timings("waves")
    async def waves(count: int) -> AsyncIterator[Any]:
        for number in range(count):
            try:
                yield number
            except KeyError:
                yield "caught"

    async def main() -> None:
        assert [number async for number in waves(3)] == [0, 1, 2]
        one: Any = waves(2)
        assert [await anext(one), await one.athrow(KeyError()), await anext(one)] == [0, "caught", 1]
        await one.aclose()
        broken: Any = waves(2)
        await anext(broken)
        with pytest.raises(ValueError, match="x"):
            await broken.athrow(ValueError("x"))

    asyncio.run(main())
    summary = only(timings)
    assert (summary.calls, summary.failures) == (3, 1)
    gc.collect()


def test_blocks() -> None:
    """A context manager, which may be entered again, by several tasks at a time, and may fail."""
    timings, lines = Timings(), []
    timer = timings("block", log=lines.append, template="{name}{outcome}")
    with timer, timer:
        pass
    with pytest.raises(KeyError), timings("block"):
        raise KeyError
    with pytest.raises(LookupError), timer:
        raise LookupError

    async def one(order: asyncio.Barrier) -> None:
        with timer:
            await order.wait()

    async def main() -> None:
        order = asyncio.Barrier(3)
        await asyncio.gather(*(one(order) for _ in range(3)))

    asyncio.run(main())
    assert (only(timings).calls, only(timings).failures) == (7, 2)
    assert lines == ["block"] * 2 + ["block and raised LookupError"] + ["block"] * 3
    with pytest.raises(DecoratorError, match="a block has no name of its own"), timings(threshold=1):
        pass


def test_only_slow_calls_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With a threshold, by the package's logger or any other, at the level asked for."""
    timings = Timings()
    with caplog.at_level(logging.INFO):
        timings(threshold=3600)(lambda: None)()
        assert caplog.records == []
        slow = timings("slow", threshold=1e-9, level=logging.WARNING)(_slow)
        assert slow(1) == 1
        timings(log=logging.getLogger("mine"), template="{name}")(_slow)(2)
    assert [(one.name, one.levelno) for one in caplog.records] == [("cb_decorators", 30), ("mine", 20)]
    assert caplog.messages[0].startswith("_slow took 0.")
    assert caplog.messages[1] == "_slow"


def _slow(x: int) -> int:
    return x


def test_redacting_by_name() -> None:
    """Positional, collected and keyword arguments that are named are stars; a single name may be a string."""
    lines: list[str] = []
    timings = Timings()

    def call(user: str, *keys: str, token: str = "t", **more: str) -> list[int]:
        return [1] * 100

    timings(log=lines.append, template="{args} {result}", redact=("keys", "token", "pin"))(call)(
        "ana", "k1", "k2", token="secret", pin="1234", city="x"
    )
    timings(log=lines.append, template="{args}", redact="user")(call)("ana")
    assert lines[0] == "('ana', ***, ***, token=***, pin=***, city='x') [1, 1, 1, 1, 1, 1, ...]"
    assert lines[1] == "(***, token='t')"


def test_reports() -> None:
    """A table for people, JSON and Prometheus text for programs; names are escaped; reset forgets."""
    timings = Timings()
    assert timings.report() == "no calls timed yet"
    for name in ('a "quoted"\nname', "b"):
        with timings(name):
            pass
    table = timings.report().splitlines()
    assert table[0].split() == ["name", "calls", "failed", "total", "min", "mean", "p50", "p90", "p99", "max"]
    found = json.loads(timings.report("json"))
    assert [(one["name"], one["calls"], one["failures"]) for one in found] == [('a "quoted"\nname', 1, 0), ("b", 1, 0)]
    text = timings.report("prometheus")
    assert 'cb_decorators_call_seconds_count{name="a \\"quoted\\"\\nname"} 1\n' in text
    assert 'cb_decorators_call_seconds{name="b",quantile="0.99"}' in text
    assert text.endswith('cb_decorators_call_failures_total{name="b"} 0\n')
    timings.reset()
    assert timings.stats() == []
    with pytest.raises(DecoratorError, match="no format 'xml'"):
        timings.report("xml")  # type: ignore[arg-type]


def test_the_shared_timings_are_one_of_many() -> None:
    """`timed` is an instance like any other; two do not see each other's names."""
    assert isinstance(timed, Timings)
    own = Timings()
    with own("only here"):
        pass
    assert "only here" not in {one.name for one in timed.stats()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"template": "{nothing}"}, "no field nothing"),
        ({"template": TOOK + "{args.x}{other[0]}"}, r"no field other\[0\]"),
        ({"threshold": 0}, "threshold must be"),
        ({"threshold": -1}, "threshold must be"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    """Wrong use fails when decorating."""
    with pytest.raises(DecoratorError, match=message):
        Timings()(**options)


def test_descriptors_are_refused() -> None:
    """Over classmethod or staticmethod, or over no function: a TypeError that says how it stands."""
    with pytest.raises(TypeError, match="@timed stands under @classmethod, not over it"):
        timed(classmethod(_slow))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="@timed is for functions, not int: 5"):
        timed("x")(5)  # type: ignore[arg-type]
