"""What type checkers know of a decorated function: its own parameters, everywhere.

At run time a cached function is a plain function with these attributes, and a cached method a descriptor that makes
one for each instance.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, Self, TypeVar, overload

from cb_decorators.cache import CacheInfo

__all__ = ["Cached", "CachedClassMethod", "CachedFunction", "CachedStaticMethod", "Decorator"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)


class Cached(Protocol[P, R_co, T_contra]):
    """A function whose results are kept. ``R_co`` is what a call returns, ``T_contra`` the result that is kept.

    They differ for a coroutine function: a call returns a coroutine, the result is what it ends with.
    """

    __name__: str
    __qualname__: str

    @property
    def __wrapped__(self) -> Callable[P, R_co]:
        """The function itself."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def cache_info(self) -> CacheInfo:
        """Return the counts: hits, misses (runs), waits, entries."""

    def cache_clear(self) -> None:
        """Forget all results and counts. What is running now does not leave its result."""

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the result of one call; a run of it under way does not leave its own. Return whether there was one."""

    def contains(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Whether this call would be answered without a run."""

    def put(self, value: T_contra, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Keep *value* as the result of this call."""

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the function now, keep and return its result."""


class CachedFunction(Cached[P, R_co, T_contra], Protocol[P, R_co, T_contra]):
    """A cached function, or a cached method: taken from an instance, it no longer wants ``self``."""

    # Type checkers look at a class or static method as at the function under it; its first parameter tells which it
    # is. mypy does not compare that one: to it, what is taken from a class is a class method.
    @overload
    def __get__(
        self: CachedFunction[Concatenate[type[S], Q], R, T], instance: S | None, owner: type[S], /
    ) -> Cached[Q, R, T]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None, /) -> Self: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[S, Q], R, T], instance: S, owner: type | None = None, /
    ) -> Cached[Q, R, T]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> Cached[P, R_co, T_contra]: ...
    def __get__(self, instance: object, owner: type | None = None, /) -> object: ...


class CachedClassMethod(Protocol[P, R_co, T_contra]):
    """A cached class method: each class has its own results."""

    def __get__(self, instance: object, owner: type | None = None, /) -> Cached[P, R_co, T_contra]: ...


class CachedStaticMethod(Protocol[P, R_co, T_contra]):
    """A cached static method."""

    def __get__(self, instance: object, owner: type | None = None, /) -> Cached[P, R_co, T_contra]: ...


class Decorator(Protocol):
    """``cached`` with its options, waiting for the function."""

    if TYPE_CHECKING:

        @overload
        def __call__(
            self, function: classmethod[Any, P, Coroutine[Any, Any, T]], /
        ) -> CachedClassMethod[P, Coroutine[Any, Any, T], T]: ...
        @overload
        def __call__(self, function: classmethod[Any, P, T], /) -> CachedClassMethod[P, T, T]: ...
        @overload
        def __call__(  # type: ignore[overload-overlap]
            self, function: staticmethod[P, Coroutine[Any, Any, T]], /
        ) -> CachedStaticMethod[P, Coroutine[Any, Any, T], T]: ...
        @overload
        def __call__(  # type: ignore[overload-overlap]
            self, function: staticmethod[P, T], /
        ) -> CachedStaticMethod[P, T, T]: ...
        @overload
        def __call__(
            self, function: Callable[P, Coroutine[Any, Any, T]], /
        ) -> CachedFunction[P, Coroutine[Any, Any, T], T]: ...
        @overload
        def __call__(self, function: Callable[P, T], /) -> CachedFunction[P, T, T]: ...
        def __call__(self, function: Any, /) -> Any: ...
