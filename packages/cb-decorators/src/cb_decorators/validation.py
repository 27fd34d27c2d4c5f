"""``validated``: check a call's arguments, and its result, before anybody relies on them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from inspect import Parameter
from typing import Any, Final, ParamSpec, Protocol, TypeVar, overload

from cb_decorators.call import shown
from cb_decorators.errors import DecoratorError, ValidationError
from cb_decorators.signature import Factory, Shape, is_async, name_of, refuse_descriptor, shape_of

__all__ = ["RAISE", "no_whitespace", "validated"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


RAISE: Final = object()
"""What ``if_invalid`` is unless told otherwise: raise :class:`ValidationError`."""


class _Checking(Protocol):
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...


class _Replacing(Protocol[T_co]):
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> Callable[P, Coroutine[Any, Any, R | T_co]]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R | T_co]: ...


@overload
def validated(
    *predicates: Callable[..., object], types: bool = False, result: Callable[[Any], object] | None = None
) -> _Checking: ...
@overload
def validated(
    *predicates: Callable[..., object],
    if_invalid: T,
    types: bool = False,
    result: Callable[[Any], object] | None = None,
) -> _Replacing[T]: ...
def validated(
    *predicates: Callable[..., object],
    if_invalid: Any = RAISE,
    types: bool = False,
    result: Callable[[Any], object] | None = None,
) -> Any:
    """Let a call through only where every predicate says yes.

    A predicate's parameters are named like those of the function that it looks at; one with ``*args`` is given all
    arguments. It may be ``async`` where the function is. What it raises goes to the caller. Checks run in the order
    given, at the call, also for a generator function.

    Args:
        predicates: Functions of some of the call's arguments; falsy is no.
        if_invalid: Return this for a refused call instead of raising. The caller must be able to tell it from a result.
        types: Check arguments and result against the annotations too; needs ``cb-decorators[types]`` (beartype).
        result: A predicate of the result (of what a coroutine function's coroutine ends with).

    Raises:
        ValidationError: When called, with the function, the arguments that were looked at, and the predicate.
        DecoratorError: A predicate wants an argument that the function has not, or beartype is not there; when
            decorating.

    >>> @validated(lambda amount: amount > 0, lambda to, amount: to != "nobody")
    ... def pay(to, amount):
    ...     return f"{amount} to {to}"
    >>> pay("Ana", 3)
    '3 to Ana'
    >>> pay("Ana", amount=-5)
    Traceback (most recent call last):
        ...
    cb_decorators.errors.ValidationError: pay() refused amount=-5 (<lambda> says no)
    """
    for one in [*predicates, *([result] if result is not None else [])]:
        if not callable(one):
            raise DecoratorError(f"validated is given predicates, functions that say yes or no, not {one!r}")
    if not (predicates or types or result):
        raise DecoratorError("validated has nothing to check (give it a predicate, result= or types=True)")

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        refuse_descriptor(function, "validated")
        inner, mismatch = _typed(function) if types else (function, ValidationError)
        asynchronous = is_async(function)
        checks = [one for one in (*predicates, result) if one is not None]
        if not asynchronous and any(map(is_async, checks)):
            raise DecoratorError(f"{name_of(function)}() is not async, so a predicate cannot be")
        shape = shape_of(function)

        def refuse(number: int, arguments: Mapping[str, object]) -> Any:
            if if_invalid is not RAISE:
                return if_invalid
            predicate = str(getattr(checks[number], "__name__", None) or name_of(checks[number]))
            listed = ", ".join(f"{name}={shown(value)}" for name, value in arguments.items())
            raise ValidationError(
                f"{name_of(function)}() refused {listed} ({predicate} says no)",
                function=name_of(function),
                arguments=arguments,
                predicate=predicate,
            )

        lines: list[str] = []
        pieces: dict[str, str] = {}
        for number, predicate in enumerate(predicates):
            pieces[f"passed{number}"], pieces[f"seen{number}"] = _arguments(predicate, shape, function)
            wait = "await " if is_async(predicate) else ""
            lines += [
                f"if not {wait}_cb_p{number}($passed{number}):",
                f"    return _cb_refuse({number}, {{$seen{number}}})",
            ]
        wait = "await " if asynchronous else ""
        run = f"{'return' if result is None else '_cb_result ='} {wait}_cb_function($forward)"
        if types and if_invalid is not RAISE:
            run = f"try:\n    {run}\nexcept _cb_mismatch:\n    return _cb_if_invalid"
        lines.append(run)
        if result is not None:
            wait = "await " if is_async(result) else ""
            number = len(predicates)
            lines += [
                f"if not {wait}_cb_p{number}(_cb_result):",
                f"    return _cb_refuse({number}, {{'result': _cb_result}})",
                "return _cb_result",
            ]
        given = {f"p{number}": predicate for number, predicate in enumerate(checks)} | {
            "refuse": refuse,
            "function": inner,
            "mismatch": mismatch,
            "if_invalid": if_invalid,
        }
        factory = Factory(
            function, shape, "\n".join(lines), list(given), purpose="validated", asynchronous=asynchronous, **pieces
        )
        wrapper: Callable[..., Any] = factory.make(**given)
        return wrapper

    return decorate


def _arguments(predicate: Callable[..., object], shape: Shape, function: object) -> tuple[str, str]:
    """Return how the predicate is called, and a display of what it sees, as source."""
    wanted = shape_of(predicate)
    if any(wanted.kinds[name] is Parameter.VAR_POSITIONAL for name in wanted.names):
        names = list(shape.names)
        passed = ", ".join(
            "*" * (shape.kinds[name] is Parameter.VAR_POSITIONAL) + name
            for name in names
            if shape.kinds[name] is not Parameter.VAR_KEYWORD
        )
    else:
        needed = [name for name in wanted.names if wanted.kinds[name] is not Parameter.VAR_KEYWORD]
        names = [name for name in needed if name in shape.names]
        if missing := [name for name in needed if name not in names and name not in wanted.optional]:
            raise DecoratorError(
                f"{name_of(predicate)}: {name_of(function)}() has no argument {', '.join(missing)} "
                f"(it has {', '.join(shape.names) or 'none'})"
            )
        # By position, which is quicker, for as long as none is left out.
        ahead = [name for name, other in zip(names, needed, strict=False) if name == other]
        passed = ", ".join(
            name if name in ahead and wanted.kinds[name] is not Parameter.KEYWORD_ONLY else f"{name}={name}"
            for name in names
        )
    return passed, ", ".join(f"{name!r}: {name}" for name in names)


def _typed(function: Callable[..., Any]) -> tuple[Callable[..., Any], type[ValidationError]]:
    """Return the function checked by beartype, and what it raises: a class of its own, unlike a nested one's."""
    try:
        from beartype import BeartypeConf, beartype
    except ImportError as error:
        raise DecoratorError("types=True needs beartype (pip install 'cb-decorators[types]')") from error
    mismatch = type("ValidationError", (ValidationError,), {"__module__": ValidationError.__module__})
    checked: Callable[..., Any] = beartype(conf=BeartypeConf(violation_type=mismatch))(function)
    return checked, mismatch


def no_whitespace(*values: object) -> bool:
    """Whether no string among *values* has a white-space character in it: space, tab, line end, no-break space.

    >>> no_whitespace("anita", 3), no_whitespace("anita lava")
    (True, False)
    """
    return not any(letter.isspace() for value in values if isinstance(value, str) for letter in value)
