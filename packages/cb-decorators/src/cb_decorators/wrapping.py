"""How a function becomes a cached one: the generated wrapper, its handles, and the descriptor for methods."""

from __future__ import annotations

import inspect
import textwrap
import threading
import weakref
from collections.abc import Callable, Collection, Hashable
from dataclasses import replace
from types import MethodType
from typing import Any

from cb_decorators.cache import CacheInfo
from cb_decorators.errors import DecoratorError, UnhashableArgument
from cb_decorators.policy import Policy
from cb_decorators.runs import AsyncCache, SharedBacking, SyncCache
from cb_decorators.signature import Factory, is_async, name_of, parameters_of, shape_of

__all__ = ["CachedMethod", "Maker", "method_of"]


def _body(*, expires: bool, copied: bool, asynchronous: bool) -> str:
    """Return the source of a wrapper's body: a hit takes one look-up, one number, and no lock."""
    hit = f"_cb_e.used = _cb_next(_cb_ticks)\nreturn {'_cb_copy(_cb_e.value)' if copied else '_cb_e.value'}\n"
    if expires:
        hit = "if _cb_e.expires > _cb_clock():\n" + textwrap.indent(hit, "    ")
    return (
        "try:\n"
        "    _cb_k = $key\n"
        "    _cb_e = _cb_data[_cb_k]\n"
        f"{textwrap.indent(hit, '    ')}"
        "except _cb_KeyError:\n"
        "    pass\n"
        "except _cb_TypeError:\n"
        "    _cb_refuse($args, $kwargs)\n"
        "    raise\n"
        f"return {'await ' if asynchronous else ''}_cb_call(_cb_k, $args, $kwargs)\n"
    )


class Maker:
    """What is decided once for a decorated function. :meth:`make` then makes a wrapper with a cache of its own."""

    def __init__(
        self,
        function: Callable[..., Any],
        policy: Policy,
        *,
        key: Callable[..., Hashable] | None = None,
        ignore: Collection[str] = (),
        backing: SharedBacking | None = None,
        method: bool = False,
    ) -> None:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{name_of(function)}() is a generator function: what it returns can be used only once "
                "(cache a function that returns a list)"
            )
        self.function: Callable[..., Any] = function
        self.asynchronous: bool = is_async(function)
        self._shape = shape = shape_of(function)
        if unknown := sorted(set(ignore) - set(shape.names)):
            raise DecoratorError(f"ignore: {name_of(function)}() has no parameter {', '.join(unknown)}")
        # Beside a store, this process keeps a result for as long as the store lets it.
        self._policy = policy if backing is None else replace(policy, ttl=1.0)
        self._backing = backing
        self._key = key
        self.maxsize: int | None = policy.maxsize
        leave_out = {*ignore, *(shape.names[:1] if method else ())}
        expression = shape.key(leave_out) if key is None else f"{shape.mark}key({shape.forward})"
        given = ["data", "next", "ticks", "clock", "copy", "key", "KeyError", "TypeError", "refuse", "call"]
        copied, expires = policy.copy is not None, self._policy.ttl is not None
        body = _body(expires=expires, copied=copied, asynchronous=self.asynchronous)
        self._answer = Factory(
            function, shape, body, given, purpose="cached", asynchronous=self.asynchronous, key=expression
        )
        self._read = Factory(
            function, shape, "return $key, $args, $kwargs", ["key"], purpose="key of", key=expression
        ).make(key=key)

    def make(self, owner: weakref.ref[Any] | None = None) -> Any:
        """Return a wrapper with an empty cache; with *owner*, for the method of that instance."""
        cache = (AsyncCache if self.asynchronous else SyncCache)(self.function, self._policy, self._backing)
        wrapper = self._answer.make(
            data=cache.table.data,
            next=next,
            ticks=cache.table.ticks,
            clock=self._policy.clock,
            copy=self._policy.copy,
            key=self._key,
            KeyError=KeyError,
            TypeError=TypeError,
            refuse=self._refuse,
            call=cache.call,
        )
        handles = _Handles(cache, self._read, owner)
        wrapper.cache_info = cache.info
        wrapper.cache_clear = cache.clear
        wrapper.invalidate = handles.invalidate
        wrapper.contains = handles.contains
        wrapper.put = handles.put
        wrapper.refresh = handles.refresh
        return wrapper

    def _refuse(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Say which argument cannot be hashed; return where it is none of them."""
        if self._key is not None:
            return
        named = [*zip(self._shape.by_position(len(args)), args, strict=True), *kwargs.items()]
        for name, value in named:
            try:
                hash(value)
            except TypeError as error:
                raise UnhashableArgument(
                    f"{name_of(self.function)}(): argument {name!r} cannot be part of a cache key: {error} "
                    f"(pass a tuple or a frozenset, or decorate with key= or ignore=({name!r},))"
                ) from None


class _Handles:
    """The operations on one result, by the arguments of its call."""

    def __init__(self, cache: SyncCache | AsyncCache, read: Callable[..., Any], owner: weakref.ref[Any] | None) -> None:
        self._cache = cache
        self._read = read
        self._owner = owner

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        first = () if self._owner is None else (self._owner(),)
        return self._read(*first, *args, **kwargs)

    def invalidate(self, /, *args: Any, **kwargs: Any) -> bool:
        return self._cache.invalidate(self._call(args, kwargs)[0])

    def contains(self, /, *args: Any, **kwargs: Any) -> bool:
        return self._cache.contains(self._call(args, kwargs)[0])

    def put(self, value: Any, /, *args: Any, **kwargs: Any) -> None:
        self._cache.put(self._call(args, kwargs)[0], value)

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._cache.call(*self._call(args, kwargs), fresh=True)


class CachedMethod:
    """A cached method: a wrapper and a cache for each instance, gone when the instance is.

    Taken from an instance it is a bound method, whose attributes work on that instance's results. Taken from the class
    it wants the instance as first argument; its ``cache_info`` adds up, its ``cache_clear`` clears, all instances.
    """

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self._mutex = threading.Lock()
        self._made: dict[int, Any] = {}
        self._owners: dict[int, weakref.ref[Any]] = {}
        self.__wrapped__: Callable[..., Any] = maker.function
        self.__doc__ = maker.function.__doc__
        self.__name__: str = maker.function.__name__
        self.__qualname__: str = maker.function.__qualname__
        self.__module__ = maker.function.__module__
        self.__signature__: inspect.Signature = inspect.Signature(parameters_of(maker.function))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        try:
            return MethodType(self._made[id(instance)], instance)
        except KeyError:
            return MethodType(self._make(instance), instance)

    def _make(self, instance: Any) -> Any:
        number = id(instance)

        def forget(_: object) -> None:
            self._made.pop(number, None)
            self._owners.pop(number, None)

        try:
            owner = weakref.ref(instance, forget)
        except TypeError:
            raise DecoratorError(
                f"{name_of(self)}() is cached for each instance, and a {type(instance).__qualname__} cannot be weakly "
                "referenced (add '__weakref__' to its __slots__)"
            ) from None
        with self._mutex:
            if number not in self._made:
                self._owners[number] = owner
                self._made[number] = self._maker.make(owner)
            return self._made[number]

    def __call__(self, instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self.__get__(instance)(*args, **kwargs)

    def cache_info(self) -> CacheInfo:
        found = [one.cache_info() for one in list(self._made.values())]
        hits, misses, size, waits = (sum(getattr(one, name) for one in found) for name in _SUMMED)
        return CacheInfo(hits, misses, self._maker.maxsize, size, waits)

    def cache_clear(self) -> None:
        for one in list(self._made.values()):
            one.cache_clear()

    def invalidate(self, instance: Any, /, *args: Any, **kwargs: Any) -> bool:
        return bool(self.__get__(instance).invalidate(*args, **kwargs))

    def contains(self, instance: Any, /, *args: Any, **kwargs: Any) -> bool:
        return bool(self.__get__(instance).contains(*args, **kwargs))

    def put(self, value: Any, instance: Any, /, *args: Any, **kwargs: Any) -> None:
        self.__get__(instance).put(value, *args, **kwargs)

    def refresh(self, instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self.__get__(instance).refresh(*args, **kwargs)


_SUMMED = ("hits", "misses", "currsize", "waits")


class _AsyncCachedMethod(CachedMethod):
    """One whose calls are coroutines, and which says so to ``inspect``."""

    async def __call__(self, instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        return await self.__get__(instance)(*args, **kwargs)


class _CachedClassMethod(CachedMethod):
    """One that binds to the class, like ``classmethod``."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return super().__get__(type(instance) if owner is None else owner)


def method_of(maker: Maker, *, of_class: bool = False) -> CachedMethod:
    """Return the descriptor for a method; *of_class* for a class method."""
    if of_class:
        return _CachedClassMethod(maker)
    return (_AsyncCachedMethod if maker.asynchronous else CachedMethod)(maker)
