"""``validated``: which calls get through, and what is said of the others."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from cb_decorators import DecoratorError, ValidationError, no_whitespace, validated


def positive(amount: int) -> bool:
    """Whether it is."""
    return amount > 0


def pay(to: str, amount: int = 1, *rest: int, note: str = "") -> str:
    """Pay."""
    return f"{to} {amount}{note}"


def test_predicates_take_arguments_by_name() -> None:
    """In any order, of any kind, defaults filled in; with defaults of their own for what the function has not."""
    checked = validated(
        positive,
        lambda note, to: note != to,
        lambda to, /: to != "nobody",
        lambda rest, limit=2: len(rest) < limit,
        lambda **_: True,
        lambda *values: len(values) >= 3,
    )(pay)
    assert checked("ana") == "ana 1"
    assert checked("ana", 2, 3, note="!") == "ana 2!"
    for call, predicate, arguments in (
        (lambda: checked("ana", 0), "positive", {"amount": 0}),
        (lambda: checked("ana", note="ana"), "<lambda>", {"note": "ana", "to": "ana"}),
        (lambda: checked("nobody"), "<lambda>", {"to": "nobody"}),
        (lambda: checked("ana", 1, 2, 3), "<lambda>", {"rest": (2, 3)}),
    ):
        with pytest.raises(ValidationError) as caught:
            call()
        error = caught.value
        assert (error.function, error.predicate, error.arguments) == ("pay", predicate, arguments)


def test_the_message_is_short() -> None:
    """Function, argument, shortened value, predicate."""
    with pytest.raises(ValidationError) as caught:
        validated(no_whitespace)(lambda text: text)("a b" * 10_000)
    assert len(str(caught.value)) < 250
    assert str(caught.value).startswith("test_the_message_is_short.<locals>.<lambda>() refused text='a ba b")


def test_if_invalid_is_returned_instead() -> None:
    """Also None; the function does not run."""
    ran: list[int] = []
    assert validated(positive, if_invalid=None)(lambda amount: ran.append(amount))(-1) is None  # noqa: PLW0108 - a name to look at
    assert ran == []


def test_results_are_checked() -> None:
    """By a predicate of the result."""
    root = validated(result=lambda value: value >= 0)(lambda x: x)
    assert root(1) == 1
    with pytest.raises(ValidationError, match=r"refused result=-1 \(<lambda> says no\)"):
        root(-1)
    assert validated(result=positive, if_invalid="no")(lambda x: x)(-1) == "no"


def test_coroutine_functions() -> None:
    """Checked when awaited; predicates of arguments and result may be coroutine functions."""

    async def known(name: str) -> bool:
        return name == "ana"

    async def short(result: str) -> bool:
        return len(result) < 10

    @validated(known, result=short)
    async def greet(name: str, times: int = 1) -> str:
        return name * times

    assert asyncio.run(greet("ana")) == "ana"
    for call in (greet("eve"), greet("ana", 9)):
        with pytest.raises(ValidationError):
            asyncio.run(call)
    with pytest.raises(DecoratorError, match=r"pay\(\) is not async, so a predicate cannot be"):
        validated(result=known)(pay)


def test_what_a_predicate_raises_goes_to_the_caller() -> None:
    """A broken predicate is no refusal."""
    with pytest.raises(TypeError, match="not supported between"):
        validated(positive)(pay)("ana", "much")  # type: ignore[arg-type]


def test_without_beartype(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "beartype", None)
    with pytest.raises(DecoratorError, match=r"pip install 'cb-decorators\[types\]'"):
        validated(types=True)(pay)


@pytest.mark.parametrize(
    ("predicates", "message"),
    [
        ((lambda nobody: True,), r"<lambda>: pay\(\) has no argument nobody \(it has to, amount, rest, note\)"),
        ((5,), "predicates, functions that say yes or no, not 5"),
        ((), "nothing to check"),
    ],
)
def test_predicates_that_cannot_be(predicates: tuple[Any, ...], message: str) -> None:
    """Wrong use fails when decorating."""
    with pytest.raises(DecoratorError, match=message):
        validated(*predicates)(pay)


def test_methods_and_generators() -> None:
    """`self` is an argument like others; a generator function is checked when it is called."""

    class Account:
        limit = 5

        @validated(lambda self, amount: amount <= self.limit)
        def draw(self, amount: int) -> int:
            return amount

    assert Account().draw(5) == 5
    with pytest.raises(ValidationError):
        Account().draw(6)

    @validated(positive)
    def numbers(amount: int) -> Any:
        yield amount

    assert list(numbers(1)) == [1]
    with pytest.raises(ValidationError):
        numbers(0)
