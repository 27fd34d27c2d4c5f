"""``cached`` on plain functions, in one thread: what is kept, for how long, and how it is forgotten."""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
from datetime import timedelta
from typing import Any

import pytest
from cb_decorators import DecoratorError, UnhashableArgument, cached
from decorators_support import Clock
from hypothesis import given
from hypothesis import strategies as st


def test_equal_spellings_are_one_call() -> None:
    """By position, by keyword, default left out: one run; the function is called as it was meant."""
    runs = []

    @cached
    def area(x: int, y: int = 2, *rest: int, z: int = 3, **more: int) -> tuple[object, ...]:
        runs.append((x, y, rest, z, more))
        return runs[-1]

    calls = [area(1), area(x=1), area(1, 2), area(1, y=2), area(y=2, x=1), area(1, z=3)]
    assert calls == [(1, 2, (), 3, {})] * 6
    assert area(1, 2, 5, a=1, b=2) == area(1, 2, 5, b=2, a=1) == (1, 2, (5,), 3, {"a": 1, "b": 2})
    assert len(runs) == 2


def test_a_wrong_call_fails_as_without_the_decorator() -> None:
    """The message is Python's own, with the function's name."""
    with pytest.raises(TypeError, match=r"f\(\) missing 1 required positional argument: 'x'"):
        cached(_f)()  # type: ignore[call-arg]


def _f(x: Any) -> Any:
    return x


def test_the_function_keeps_its_face() -> None:
    """Name, documentation, signature, attributes, and the function itself."""

    def documented(x: int = 5) -> int:
        """Doc."""
        return x

    documented.tag = 1  # type: ignore[attr-defined]
    ours: Any = cached(documented)
    assert (ours.__name__, ours.__doc__, ours.tag, ours.__wrapped__) == ("documented", "Doc.", 1, documented)
    assert inspect.signature(ours) == inspect.signature(documented)


def test_a_ttl_ends(clock: Clock) -> None:
    """Valid until the very moment, never at or after it; seconds or timedelta."""
    for ttl in (10, timedelta(seconds=10)):
        counter = itertools.count()
        ours = cached(ttl=ttl, clock=clock)(lambda counter=counter: next(counter))
        assert ours() == 0
        clock.now += 9.999
        assert ours() == 0
        assert ours.contains()
        clock.now += 0.001
        assert not ours.contains()
        assert ours() == 1


def test_a_ttl_may_depend_on_the_result(clock: Clock) -> None:
    """Seconds, timedelta, None for ever, 0 for not at all."""
    lifetimes = {"a": 5, "b": timedelta(seconds=5), "c": None, "d": 0}
    ours = cached(ttl=lifetimes.__getitem__, clock=clock)(_f)
    for name in lifetimes:
        ours(name)
    assert [ours.contains(name) for name in lifetimes] == [True, True, True, False]
    clock.now += 5
    assert [ours.contains(name) for name in lifetimes] == [False, False, True, False]


def test_jitter_only_ever_shortens(clock: Clock) -> None:
    """Results made together expire at different times, none after its ttl."""
    ours = cached(ttl=10, jitter=4, maxsize=None, clock=clock)(_f)
    for key in range(200):
        ours(key)
    clock.now += 5.999
    assert all(ours.contains(key) for key in range(200))
    clock.now += 2
    assert 0 < sum(ours.contains(key) for key in range(200)) < 200
    clock.now += 2.001
    assert not any(ours.contains(key) for key in range(200))


def test_stale_is_for_others_while_one_makes_a_new_one(clock: Clock) -> None:
    """Whoever finds it expired runs; a call made meanwhile gets the old result; after the window nobody does."""
    versions, inner = itertools.count(), []

    @cached(ttl=10, stale=5, clock=clock)
    def news() -> int:
        version = next(versions)
        if version:
            inner.append(news())
        return version

    assert news() == 0
    clock.now += 14.9
    assert (news(), inner) == (1, [0])
    clock.now += 10.0
    assert news.cache_info().misses == 2
    clock.now += 5.0
    recursion = iter([True])

    @cached(ttl=10, stale=5, clock=clock)
    def later() -> str:
        return later() if next(recursion, False) else "fresh"

    assert later() == "fresh"


def test_errors_may_be_kept(clock: Clock) -> None:
    """With `errors` such an exception is raised again without a run until its ttl ends; others are not kept."""
    runs = []

    @cached(errors=(timedelta(seconds=3), (LookupError, OSError)), clock=clock)
    def load(key: str) -> str:
        runs.append(key)
        raise KeyError(key) if key == "kept" else ValueError(key)

    for _ in range(3):
        with pytest.raises(KeyError, match="kept"):
            load("kept")
        with pytest.raises(ValueError, match="other"):
            load("other")
    assert runs == ["kept", "other", "other", "other"]
    assert load.cache_info()[:2] == (2, 4)
    clock.now += 3
    with pytest.raises(KeyError):
        load("kept")
    assert load.invalidate("kept")
    load.put("now it works", "kept")
    assert load("kept") == "now it works"


def test_an_exception_is_not_kept_otherwise() -> None:
    """The next call runs again."""
    outcomes = iter([ValueError("first"), None])

    @cached
    def once() -> str:
        if error := next(outcomes):
            raise error
        return "second"

    with pytest.raises(ValueError, match="first"):
        once()
    assert once() == "second"


def test_key_and_ignore() -> None:
    """`ignore` drops arguments from the key, `key` replaces it."""

    @cached(ignore=("session",))
    def load(session: object, name: str) -> tuple[object, str]:
        return session, name

    assert load([], "a") is load({}, "a")

    @cached(key=lambda number: (type(number), number))
    def kind(number: float) -> str:
        return type(number).__name__

    assert [kind(1), kind(1.0), kind(True)] == ["int", "float", "bool"]
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        cached(key=lambda x: [x])(_f)(1)


def test_unhashable_arguments_are_named() -> None:
    """Positional, collected and keyword arguments; an error inside a `__hash__` stays what it was."""
    ours = cached(lambda first, *rest, **named: first)
    for call, name in (
        (lambda: ours([]), "first"),
        (lambda: ours(1, 2, {}), "rest"),
        (lambda: ours(1, extra=set()), "extra"),
    ):
        with pytest.raises(UnhashableArgument, match=rf"argument '{name}' cannot be part of a cache key"):
            call()

    class Broken:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            raise TypeError("compare me not")

    ours(Broken())
    with pytest.raises(TypeError, match="compare me not"):
        ours(Broken())


def test_copies() -> None:
    """Every caller has its own, the first and the one of `refresh` too; `put` keeps a copy."""
    ours = cached(copy=copy.deepcopy)(lambda: [[1]])
    for call in (ours, ours, ours.refresh):
        call()[0].append(2)
    assert ours() == [[1]]
    mine = [[5]]
    ours.put(mine)
    mine[0].append(6)
    assert ours() == [[5]]


def test_put_invalidate_contains_refresh_clear() -> None:
    """Each by the call's own arguments, however they are spelt."""
    runs = []

    @cached
    def square(x: int, power: int = 2) -> int:
        runs.append(x)
        return x**power

    assert not square.contains(3)
    square.put(99, 3)
    assert (square(x=3), square.contains(3, power=2), runs) == (99, True, [])
    assert square.refresh(3) == 9
    assert (square(3), runs) == (9, [3])
    assert (square.invalidate(3, 2), square.invalidate(3)) == (True, False)
    square(3)
    square.cache_clear()
    assert square.cache_info() == (0, 0, 128, 0, 0)


def test_counters_are_exact() -> None:
    """Every call is a hit, a miss or a wait."""
    ours = cached(maxsize=3)(_f)
    for key in [1, 2, 3, 1, 1, 4, 2, 5, 5]:
        ours(key)
    assert ours.cache_info() == (3, 6, 3, 3, 0)


def test_nothing_is_kept_with_size_0() -> None:
    """`maxsize=0` runs each time."""
    ours = cached(maxsize=0)(_f)
    assert [ours(1), ours(1)] == [1, 1]
    assert ours.cache_info() == (0, 2, 0, 0, 0)


@given(st.integers(1, 6), st.lists(st.integers(0, 9), max_size=200))
def test_least_recently_used_leaves_like_in_functools(size: int, keys: list[int]) -> None:
    """Hits, misses and what is there are those of `functools.lru_cache`, call by call."""
    ours, theirs = cached(maxsize=size)(_f), functools.lru_cache(size)(_f)
    for key in keys:
        assert ours(key) == theirs(key)
        assert ours.cache_info()[:4] == theirs.cache_info()


OPERATION = st.tuples(
    st.sampled_from(["call", "call", "put", "invalidate", "clear", "refresh", "wait"]), st.integers(0, 5)
)


@given(st.sampled_from([None, 1, 3]), st.lists(OPERATION, max_size=100))
def test_any_operations_leave_what_a_simple_model_has(size: int | None, operations: list[tuple[str, int]]) -> None:
    """Values, expiry and bound agree with a list of (key, value, deadline) kept in order of use."""
    clock, made = Clock(), itertools.count()
    ours = cached(maxsize=size, ttl=3, clock=clock)(lambda key: next(made))
    model: dict[int, tuple[int, float]] = {}
    for what, key in operations:
        model = {one: there for one, there in model.items() if there[1] > clock.now}
        if what == "wait":
            clock.now += key / 2
            continue
        if what == "clear":
            ours.cache_clear()
            model.clear()
            continue
        if what == "invalidate":
            ours.invalidate(key)
            model.pop(key, None)
            continue
        if what == "put":
            ours.put(-1, key)
            value = -1
        elif what == "refresh":
            value = ours.refresh(key)
        else:
            value = ours(key)
            if key in model:
                assert value == model[key][0]
        deadline = model[key][1] if what == "call" and key in model else clock.now + 3
        model.pop(key, None)
        model[key] = (value, deadline)
        while size is not None and len(model) > size:
            model.pop(next(iter(model)))
        assert {one for one in range(6) if ours.contains(one)} == set(model)
        assert size is None or ours.cache_info().currsize <= size


def test_memory_is_bounded_whatever_is_done(clock: Clock) -> None:
    """Expired results leave without being asked for, and replacing one result for ever does not pile anything up."""
    ours = cached(maxsize=None, ttl=10, clock=clock)(_f)
    for key in range(1000):
        ours(key)
        clock.now += 1
    assert ours.cache_info().currsize <= 10
    for _ in range(1000):
        ours.refresh("same")
    table = ours.refresh.__self__._cache.table  # type: ignore[attr-defined]
    assert len(table._by_expiry) < 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"maxsize": -1}, "maxsize must be a whole number from 0"),
        ({"maxsize": 1.5}, "maxsize must be"),
        ({"ttl": 0}, "ttl must be seconds or a timedelta above 0, not 0"),
        ({"ttl": timedelta(0)}, "ttl must be"),
        ({"ttl": float("inf")}, "ttl must be"),
        ({"jitter": 1}, "give a ttl that is longer"),
        ({"ttl": 1, "jitter": 1}, "give a ttl that is longer"),
        ({"stale": 1}, "stale is for results with a ttl"),
        ({"errors": (1, int)}, r"errors must be \(ttl, exception types\)"),
        ({"errors": 5}, r"errors must be \(ttl, exception types\)"),
        ({"ignore": ("nobody",)}, r"_f\(\) has no parameter nobody"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    """Wrong use fails when decorating, and says what would be right."""
    with pytest.raises(DecoratorError, match=message):
        cached(**options)(_f)


def test_only_callables() -> None:
    """Anything else is a TypeError."""
    with pytest.raises(TypeError, match="cached is for functions and methods, not int: 5"):
        cached(5)  # type: ignore[call-overload]


def test_other_callables() -> None:
    """Partials, built-ins without a signature, classes and callable objects are functions too."""
    assert cached(functools.partial(pow, 2))(5) == 32
    largest = cached(max)
    assert [largest(1, 2), largest(1, 2)] == [2, 2]
    assert largest.cache_info().hits == 1
    assert cached(complex)(1, 2) == 1 + 2j

    class Adder:
        def __call__(self, x: int) -> int:
            return x + 1

    assert cached(Adder())(1) == 2
