"""``cached``: keep what a function returned."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Coroutine, Hashable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from cb_decorators.call import Call
from cb_decorators.errors import DecoratorError
from cb_decorators.policy import Lifetime, Policy, Seconds, seconds_of
from cb_decorators.protocols import CachedClassMethod, CachedFunction, CachedStaticMethod, Decorator, P
from cb_decorators.signature import name_of, shape_of
from cb_decorators.wrapping import Maker, method_of

if TYPE_CHECKING:
    from cb_decorators.stores import Store

__all__ = ["cached"]

T = TypeVar("T")


@overload
def cached(
    function: classmethod[Any, P, Coroutine[Any, Any, T]], /
) -> CachedClassMethod[P, Coroutine[Any, Any, T], T]: ...
@overload
def cached(function: classmethod[Any, P, T], /) -> CachedClassMethod[P, T, T]: ...
@overload
def cached(  # type: ignore[overload-overlap]
    function: staticmethod[P, Coroutine[Any, Any, T]], /
) -> CachedStaticMethod[P, Coroutine[Any, Any, T], T]: ...
@overload
def cached(  # type: ignore[overload-overlap]
    function: staticmethod[P, T], /
) -> CachedStaticMethod[P, T, T]: ...
@overload
def cached(function: Callable[P, Coroutine[Any, Any, T]], /) -> CachedFunction[P, Coroutine[Any, Any, T], T]: ...
@overload
def cached(function: Callable[P, T], /) -> CachedFunction[P, T, T]: ...
@overload
def cached(
    *,
    maxsize: int | None = 128,
    ttl: Seconds | Callable[[Any], Lifetime] | None = None,
    jitter: Seconds = 0,
    key: Callable[..., Hashable] | None = None,
    ignore: Collection[str] = (),
    copy: Callable[[Any], Any] | None = None,
    stale: Seconds = 0,
    errors: tuple[Seconds, type[Exception] | tuple[type[Exception], ...]] | None = None,
    store: Store | None = None,
    on_miss: Callable[[Call[Any]], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Decorator: ...
def cached(
    function: Any = None,
    /,
    *,
    maxsize: int | None = 128,
    ttl: Seconds | Callable[[Any], Lifetime] | None = None,
    jitter: Seconds = 0,
    key: Callable[..., Hashable] | None = None,
    ignore: Collection[str] = (),
    copy: Callable[[Any], Any] | None = None,
    stale: Seconds = 0,
    errors: tuple[Seconds, type[Exception] | tuple[type[Exception], ...]] | None = None,
    store: Store | None = None,
    on_miss: Callable[[Call[Any]], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Any:
    """Keep what a function returned, and run it once however many callers want the same at the same time.

    For functions, coroutine functions, methods (first parameter ``self``: results are kept for each instance, and go
    with it), and class and static methods (``@cached`` above ``@classmethod``). ``f(1)``, ``f(x=1)`` and a default left
    out are one call. Arguments are compared by hash and equality, so ``1``, ``1.0`` and ``True`` are the same argument
    unless ``key`` tells them apart.

    Callers that find a run of their call under way, in whatever thread or event loop, wait for it and get its result,
    or a copy of its exception. They do not wait where that could never end (the run waits for what they are part of):
    then they compute it themselves. Work that a function hands to a thread pool belongs to it only where the context is
    carried over, as ``asyncio.to_thread`` does. A coroutine function runs in a task of its own; when a caller is
    cancelled the others are not, and the task is cancelled with the last. Only asyncio is supported.

    Args:
        function: What to cache, where the decorator is used without parentheses.
        maxsize: How many results to keep (for each instance, for a method); the least recently used leave first. None
            for no limit; 0 to keep nothing, and only join calls made at the same time.
        ttl: For how long a result is valid, from when it was made: seconds, a timedelta, or a function of the result
            that returns either, None for ever, or 0 for not at all.
        jitter: Shorten each ttl by a random time up to this, so that results made together do not expire together.
        key: A function of the same arguments that returns what to compare instead of them.
        ignore: Names of parameters that make no difference to the result.
        copy: Applied to every result handed out, for instance ``copy.deepcopy``, so that callers cannot change what is
            kept.
        stale: For how long after its ttl a result may still be served, to others, while one caller makes a new one.
        errors: ``(ttl, types)``: raise such exceptions again for that long, instead of running again.
        store: Where processes share results; see :mod:`cb_decorators.stores`. The name of the function in it is its
            module and qualified name.
        on_miss: Called with the :class:`Call` before each run.
        clock: Returns seconds that never go back.

    Returns:
        The function, with ``cache_info()``, ``cache_clear()``, ``invalidate(*args)``, ``contains(*args)``,
        ``put(value, *args)``, ``refresh(*args)`` and ``__wrapped__``.

    Raises:
        DecoratorError: An option that cannot be, when decorating; a method of instances without weak references, when
            called.
        TypeError: A generator function, when decorating.
        UnhashableArgument: When called, with an argument that is no part of any key.

    A hit costs a dictionary look-up, and takes no lock; a miss O(log n) with n entries.

    >>> @cached(ttl=60)
    ... def area(width, height=1):
    ...     print("computing")
    ...     return width * height
    >>> area(3), area(width=3), area(3, height=1)
    computing
    (3, 3, 3)
    >>> area.cache_info()
    CacheInfo(hits=2, misses=1, maxsize=128, currsize=1, waits=0)
    >>> area.invalidate(3)
    True
    """
    if maxsize is not None and (type(maxsize) is not int or maxsize < 0):
        raise DecoratorError(f"maxsize must be a whole number from 0, or None for no limit, not {maxsize!r}")
    lifetime = ttl if ttl is None or callable(ttl) else seconds_of(ttl, "ttl")
    policy = Policy(
        maxsize=maxsize,
        ttl=lifetime,
        jitter=seconds_of(jitter, "jitter") if jitter else 0.0,
        stale=seconds_of(stale, "stale") if stale else 0.0,
        copy=copy,
        errors=_errors(errors),
        on_miss=on_miss,
        clock=clock,
    )
    if policy.jitter and (lifetime is None or (not callable(lifetime) and policy.jitter >= lifetime)):
        raise DecoratorError("jitter shortens the ttl: give a ttl that is longer")
    if policy.stale and (lifetime is None or store is not None):
        raise DecoratorError("stale is for results with a ttl that are kept in memory only")

    def decorate(what: Any) -> Any:
        of_class = isinstance(what, classmethod)
        static = isinstance(what, staticmethod)
        inner = what.__func__ if of_class or static else what
        if not callable(inner):
            raise TypeError(f"cached is for functions and methods, not {type(inner).__qualname__}: {inner!r}")
        method = of_class or (not static and shape_of(inner).names[:1] == ("self",))
        backing = None
        if store is not None:
            from cb_decorators.shared import Shared, function_of

            if method and key is None:
                raise DecoratorError(
                    f"{name_of(inner)}(): instances are not the same in other processes (decorate with key= and return "
                    "what tells their results apart)"
                )
            backing = Shared(store, function_of(inner), policy)
        maker = Maker(inner, policy, key=key, ignore=ignore, backing=backing, method=method)
        if method:
            return method_of(maker, of_class=of_class)
        return staticmethod(maker.make()) if static else maker.make()

    return decorate if function is None else decorate(function)


def _errors(
    errors: tuple[Seconds, type[Exception] | tuple[type[Exception], ...]] | None,
) -> tuple[float, tuple[type[Exception], ...]] | None:
    if errors is None:
        return None
    try:
        ttl, kinds = errors
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        if all(issubclass(kind, Exception) for kind in kinds):
            return seconds_of(ttl, "the ttl of errors"), kinds
    except (TypeError, ValueError):
        pass
    raise DecoratorError(f"errors must be (ttl, exception types), not {errors!r}")
