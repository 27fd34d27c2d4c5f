"""``decorator`` makes decorators out of one function; ``announce`` is one of them."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any, ParamSpec, TypeVar, overload

from cb_decorators.call import Call, shown
from cb_decorators.errors import DecoratorError
from cb_decorators.signature import Factory, is_async, name_of, refuse_descriptor, shape_of

__all__ = ["announce", "decorator"]

P = ParamSpec("P")
R = TypeVar("R")


class decorator:  # noqa: N801 - used like a function
    """Make a decorator out of *hook*, a function that is given each :class:`Call` and returns the result.

    The decorated function keeps its signature, name, documentation and annotations; a wrong call fails before the hook
    sees it. Over a coroutine function ``call()`` returns a coroutine, which the hook awaits or returns.

    Raises:
        TypeError: An ``async`` hook decorates a function that is none.

    >>> @decorator
    ... def twice(call):
    ...     call()
    ...     return call()
    >>> @twice
    ... def greet(name):
    ...     print("hello", name)
    >>> greet("Ana")
    hello Ana
    hello Ana
    """

    def __init__(self, hook: Callable[[Call[Any]], Any]) -> None:
        if not callable(hook):
            raise DecoratorError(f"decorator is given a function of one Call, not {hook!r}")
        self.hook: Callable[[Call[Any]], Any] = hook

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
        refuse_descriptor(function, name_of(self.hook))
        asynchronous = is_async(function)
        if is_async(self.hook) and not asynchronous:
            raise TypeError(
                f"{name_of(self.hook)}() is async, {name_of(function)}() is not (decorate an async def with it)"
            )
        body = "_cb_result = _cb_hook(_cb_Call(_cb_function, $args, $kwargs))\n"
        if asynchronous:
            body += "if _cb_isawaitable(_cb_result):\n    return await _cb_result\n"
        given = ["hook", "Call", "function", "isawaitable"]
        factory = Factory(
            function,
            shape_of(function),
            body + "return _cb_result\n",
            given,
            purpose=name_of(self.hook),
            asynchronous=asynchronous,
        )
        wrapper: Callable[P, R] = factory.make(hook=self.hook, Call=Call, function=function, isawaitable=isawaitable)
        return wrapper


@overload
def announce(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def announce(*, sink: Callable[[str], object] = print) -> decorator: ...
def announce(function: Any = None, /, *, sink: Callable[[str], object] = print) -> Any:
    """Say each call before it is made: a line with the function's name and the arguments, shortened, given to *sink*.

    >>> @announce
    ... def spaced(value):
    ...     return value.replace(",", " ")
    >>> spaced("my,commas")
    you are calling spaced with 'my,commas' as parameter
    'my commas'
    """

    def say(call: Call[Any]) -> Any:
        parts = [*map(shown, call.args), *(f"{name}={shown(value)}" for name, value in call.kwargs.items())]
        what = f" with {', '.join(parts)} as parameter{'s' * (len(parts) > 1)}" if parts else ""
        sink(f"you are calling {call.name}{what}")
        return call()

    return decorator(say) if function is None else decorator(say)(function)
