"""Generated wrappers: any signature, any names, the same calls accepted and refused."""

from __future__ import annotations

import inspect
import keyword
import traceback
from typing import Any

import pytest
from cb_decorators import Timings, cached, decorator, validated
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.sampled_from(
    [
        "a",
        "b",
        "self_",
        "_cb_k",
        "_cb_e",
        "_cb__data",
        "KeyError",
        "frozenset",
        "next",
        "f",
        "args",
        "kwargs",
        "print",
        "é",
    ]
)


@st.composite
def functions(draw: st.DrawFn) -> Any:
    """A function with any kinds of parameters, that returns all that it got."""
    names = draw(st.lists(NAMES, unique=True, max_size=5))
    kinds = sorted(draw(st.sampled_from(list(inspect._ParameterKind))) for _ in names)  # type: ignore[type-var]
    parameters, optional = [], False
    for name, kind in zip(names, kinds, strict=True):
        if kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} and any(
            one.kind is kind for one in parameters
        ):
            continue
        default: Any = inspect.Parameter.empty
        if kind in {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}:
            optional = optional or draw(st.booleans())
            default = object() if optional else default
        elif kind is inspect.Parameter.KEYWORD_ONLY and draw(st.booleans()):
            default = object()
        parameters.append(inspect.Parameter(name, kind, default=default))
    signature = inspect.Signature(parameters)
    defaults = {f"default_{one.name}": one.default for one in parameters if one.default is not one.empty}
    text = str(
        signature.replace(
            parameters=[
                one.replace(default=_Name(f"default_{one.name}")) if one.default is not one.empty else one
                for one in parameters
            ]
        )
    )
    namespace: dict[str, Any] = dict(defaults)
    exec(
        f"def function{text}:\n    return {{{', '.join(f'{name!r}: {name}' for name in signature.parameters)}}}",
        namespace,
    )
    return namespace["function"]


class _Name:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


@decorator
def passing(call: Any) -> Any:
    """Do nothing else."""
    return call()


DECORATORS = [cached, cached(ttl=60), Timings(), validated(lambda **_: True), validated(lambda *_: True), passing]


@given(functions(), st.lists(st.integers(), max_size=4), st.dictionaries(NAMES, st.integers(), max_size=4), st.data())
def test_the_same_calls_give_the_same(
    function: Any, args: list[int], kwargs: dict[str, int], data: st.DataObject
) -> None:
    """Whatever the signature: what it accepts and returns, and what it refuses, is the same when decorated."""
    ours = data.draw(st.sampled_from(DECORATORS))(function)
    assert (
        inspect.signature(ours, follow_wrapped=False).parameters.keys() == inspect.signature(function).parameters.keys()
    )
    try:
        expected = function(*args, **kwargs)
    except TypeError as error:
        with pytest.raises(TypeError) as caught:
            ours(*args, **kwargs)
        assert str(caught.value) == str(error)  # noqa: PT017
    else:
        assert [ours(*args, **kwargs), ours(*args, **kwargs)] == [expected] * 2


def test_names_that_cannot_be_written() -> None:
    """A parameter or a function called like a keyword falls back to `*args, **kwargs`, or to another name."""

    def odd(*args: int, **kwargs: int) -> tuple[object, ...]:
        return args, kwargs

    odd.__name__ = "class"
    assert keyword.iskeyword(odd.__name__)
    odd.__signature__ = inspect.Signature([_unchecked("lambda")])  # type: ignore[attr-defined]
    assert cached(odd)(1) == ((1,), {})


def _unchecked(name: str) -> inspect.Parameter:
    parameter = inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameter._name = name  # type: ignore[attr-defined]
    return parameter


def test_defaults_are_the_very_objects() -> None:
    """A default is never written as source: not compared, not evaluated again."""
    marker = object()

    def give(x: object = marker) -> object:
        return x

    assert cached(give)() is marker
    assert inspect.signature(cached(give), follow_wrapped=False).parameters["x"].default is marker


def test_tracebacks_show_the_wrapper() -> None:
    """The generated lines are there where a traceback looks for them."""

    @cached
    def fails(x: int) -> int:
        return x // 0

    with pytest.raises(ZeroDivisionError) as caught:
        fails(1)
    text = "".join(traceback.format_exception(caught.value))
    assert "<cached test_tracebacks_show_the_wrapper.<locals>.fails" in text
    assert "return _cb_call(_cb_k, (x,), {})" in text
    assert "KeyError" not in text


def test_a_wrapper_that_lies_about_its_signature_is_called_as_it_is() -> None:
    """A third-party wrapper that adds an argument is not called with the signature of what it wraps."""
    from functools import wraps

    def load(database: str, key: int) -> tuple[str, int]:
        return database, key

    @wraps(load)
    def injected(*args: Any, **kwargs: Any) -> tuple[str, int]:
        return load("db", *args, **kwargs)

    assert cached(injected)(1) == ("db", 1)
    assert Timings()(injected)(1) == ("db", 1)
