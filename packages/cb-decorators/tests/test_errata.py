"""Where the chapter is wrong, what is right: each point with the printed code's behaviour and ours."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from cb_decorators import Timings, ValidationError, cached, no_whitespace, validated
from cb_decorators.palindrome import complete, is_palindrome
from decorators_support import command, in_threads, join, until


def printed_cache(function: Callable[..., Any]) -> Callable[..., Any]:
    """Cache as printed in the chapter."""
    cache: dict[int, Any] = {}

    def wrapper(*args: Any) -> Any:
        key = hash(str(args))
        if key not in cache:
            cache[key] = function(*args)
        return cache[key]

    return wrapper


def printed_complete(text: str) -> str:
    """Complete as printed: one more letter, and a recursion, at a time."""

    def action(value: str, chars: int) -> str:
        new = value + value[:chars][::-1]
        return new if is_palindrome(new) else action(value, chars + 1)

    return action(text, 0)


def test_a_function_is_passed_without_calling_it() -> None:
    """Passing `f()` passes its result, which cannot be called; passing `f` gives 2."""

    def add(foo: int, function: Any) -> int:
        return foo + function()

    def one() -> int:
        return 1

    with pytest.raises(TypeError, match="'int' object is not callable"):
        add(1, one())
    assert add(1, one) == 2


def test_inner_functions_can_modify_outer_variables() -> None:
    """Access to the outer scope is not read-only: `nonlocal`."""
    count = 0

    def inner() -> None:
        nonlocal count
        count += 1

    inner()
    assert count == 1


def test_the_printed_validation_decorator_does_not_compile() -> None:
    """A parenthesis is missing; ours takes predicates and options."""
    with pytest.raises(SyntaxError):
        compile("def validation_decorator validator, if_invalid=None):\n    pass\n", "listing", "exec")
    assert validated(no_whitespace, if_invalid=None)(complete)("a b") is None


class _Same:
    """Equal representation, unequal value."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "Same()"


def test_different_arguments_never_share_a_result() -> None:
    """A key made of `str(args)` mixes up what looks alike; arguments themselves do not."""
    first, second = _Same(1), _Same(2)
    printed = printed_cache(lambda one: one.value)
    assert [printed(first), printed(second)] == [1, 1]
    ours = cached(lambda one: one.value)
    assert [ours(first), ours(second)] == [1, 2]


class _Collides:
    """All hashes equal, no two values equal."""

    def __hash__(self) -> int:
        return 7


def test_a_hash_is_no_identity() -> None:
    """Arguments whose hashes collide have their own results."""
    ours = cached(id)
    both = _Collides(), _Collides()
    assert [ours(one) for one in both] == [id(one) for one in both]


def test_one_run_for_all_threads_a_bound_and_a_way_to_forget() -> None:
    """Eight threads run the printed cache's body eight times; ours once. And it is bounded, counted, cleared."""
    go, started = threading.Event(), []

    def body(key: int) -> int:
        started.append(key)
        go.wait(20)
        return key

    printed = printed_cache(body)
    threads = in_threads(8, lambda: printed(1))
    until(lambda: len(started) == 8)
    go.set()
    join(threads)

    go.clear()
    started.clear()
    ours = cached(maxsize=2)(body)
    threads = in_threads(8, lambda: ours(1))
    until(lambda: ours.cache_info().waits == 7)
    go.set()
    join(threads)
    assert started == [1]
    for key in range(10):
        ours(key)
    assert ours.cache_info().currsize == 2
    ours.cache_clear()
    assert ours.cache_info() == (0, 0, 2, 0, 0)


def test_keyword_calls() -> None:
    """`*args` alone refuses keywords; every spelling of a call is one call here."""
    with pytest.raises(TypeError, match="unexpected keyword"):
        printed_cache(complete)(text="casa")
    ours = cached(complete)
    assert [ours("casa"), ours(text="casa")] == ["casac"] * 2
    assert ours.cache_info()[:2] == (1, 1)
    assert inspect.signature(ours) == inspect.signature(complete)


async def _fetch(key: int) -> int:
    return key


def test_coroutines_are_cached_by_their_result() -> None:
    """A kept coroutine can be awaited once; ours keeps what it ended with."""
    printed = printed_cache(_fetch)

    async def twice(function: Callable[[int], Any]) -> list[int]:
        return [await function(1), await function(1)]

    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        asyncio.run(twice(printed))
    assert asyncio.run(twice(cached(_fetch))) == [1, 1]


def test_generators_are_refused() -> None:
    """A kept generator is empty the second time; here it is said when decorating, or when one is returned."""

    def numbers() -> Iterator[int]:
        yield 1

    async def waves() -> AsyncIterator[int]:
        yield 1

    printed = printed_cache(numbers)
    assert [list(printed()), list(printed())] == [[1], []]
    for function in (numbers, waves):
        with pytest.raises(TypeError, match=r"generator function.*returns a list"):
            cached(function)
    with pytest.raises(TypeError, match="a generator can be used only once"):
        cached(lambda _: numbers())(1)


def test_a_kept_list_can_be_protected() -> None:
    """A caller that changes the list changes everybody's; with `copy` it does not, not even the first caller's."""
    shared = cached(lambda: [1])
    shared().append(2)
    assert shared() == [1, 2]
    own = cached(copy=list)(lambda: [1])
    own().append(2)
    own().append(3)
    assert own() == [1]


def test_microseconds_of_a_call_longer_than_a_second() -> None:
    """`timedelta.microseconds` of 1.2 s is 200000; the line here has the whole time."""
    lines: list[str] = []
    timer = Timings()("call", log=lines.append, template="{microseconds}")
    timer._say("call", 1.2, "()", None, None)
    assert lines == ["1200000"]


def test_time_is_monotonic() -> None:
    """A clock that is set back does not give a negative time: the wall clock is not asked."""
    import cb_decorators.timing as module

    assert module.perf_counter.__name__ == "perf_counter"
    assert not hasattr(module, "datetime")


def test_failures_and_coroutines_are_timed() -> None:
    """The printed decorator logs nothing when a call raises, and only the making of a coroutine."""
    timings, lines = Timings(), []

    @timings(log=lines.append, template="{name}{args}: {result}")
    def fails(number: int) -> None:
        raise KeyError(number)

    released = asyncio.Event()

    @timings("waits")
    async def waits() -> str:
        assert timings.stats_of("waits").summary().calls == 0, "counted before it ended"
        await released.wait()
        return "done"

    async def main() -> str:
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        assert timings.stats_of("waits").summary().calls == 0
        released.set()
        return await task

    with pytest.raises(KeyError):
        fails(1)
    assert lines == ["fails(1,): raised KeyError"]
    assert asyncio.run(main()) == "done"
    assert [(one.calls, one.failures) for one in timings.stats()] == [(1, 1), (1, 0)]


def test_arguments_are_not_shown_unless_asked_for() -> None:
    """The line has no arguments by default; where it has, they are short, and secrets are stars."""
    lines: list[str] = []

    def login(user: str, password: str) -> None:
        pass

    Timings()(log=lines.append)(login)("ana", "secret")
    Timings()(log=lines.append, template="{args}", redact=("password",))(login)("a" * 1000, password="secret")
    assert "secret" not in "".join(lines)
    assert "ana" not in lines[0]
    assert len(lines[1]) < 130


def test_a_refused_call_is_not_a_result() -> None:
    """A message where a result should be cannot be told from one; an exception can, and says what was wrong."""
    with pytest.raises(ValidationError, match=r"complete\(\) refused text='a b' \(no_whitespace says no\)") as caught:
        validated(no_whitespace)(complete)("a b")
    assert isinstance(caught.value, ValueError)
    assert (caught.value.arguments, caught.value.predicate) == ({"text": "a b"}, "no_whitespace")


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\N{NO-BREAK SPACE}"])
def test_every_white_space_is_found_and_only_in_strings(space: str) -> None:
    """The printed check misses tab, line end and no-break space, and refuses a list of clean words."""
    assert not no_whitespace(f"a{space}b")
    assert no_whitespace(["clean", "words"])


def test_numbers_are_no_words() -> None:
    """An int is not iterable; the command reads text, so digits are letters like others."""
    with pytest.raises(TypeError):
        complete(123)  # type: ignore[arg-type]
    assert complete("123") == "12321"


def test_a_thousand_letters() -> None:
    """The printed recursion overflows at 1,001 letters."""
    word = "a" * 1000 + "b"
    raised: list[bool] = []

    def overflow() -> None:
        with pytest.raises(RecursionError):
            printed_complete(word)
        raised.append(True)

    join(in_threads(1, overflow))  # in a thread of its own: a trace function does not survive it
    assert raised == [True]
    assert complete(word) == "a" * 1000 + "b" + "a" * 1000


def test_the_end_of_input_ends_the_session() -> None:
    """The printed loop ends with EOFError when its input does; see also test_recipes for the prompts in step."""
    session = command("palindrome", "-i", text="mene\n")
    assert (session.stdout, session.returncode) == ("menem\n", 0)
    assert "Traceback" not in session.stderr
